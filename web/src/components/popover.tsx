import { type ReactNode, useEffect, useId, useRef, useState } from 'react'

interface Props {
  label: ReactNode
  /** Accessible name, when the label alone does not say it. */
  name?: string
  className?: string
  align?: 'left' | 'right'
  children: (close: () => void) => ReactNode
}

/** A button and what it opens. Escape closes it and gives the focus back to the button; a click or Tab elsewhere closes it too. */
export function Popover({ label, name, className = 'button', align = 'left', children }: Props) {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const id = useId()

  useEffect(() => {
    if (!open) return
    const onPointer = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false)
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return
      event.stopPropagation()
      setOpen(false)
      button.current?.focus()
    }
    const onLeave = ({ relatedTarget }: FocusEvent) => {
      if (relatedTarget && !box.current?.contains(relatedTarget as Node)) setOpen(false)
    }
    document.addEventListener('pointerdown', onPointer)
    box.current?.addEventListener('keydown', onKey)
    box.current?.addEventListener('focusout', onLeave)
    const held = box.current
    return () => {
      document.removeEventListener('pointerdown', onPointer)
      held?.removeEventListener('keydown', onKey)
      held?.removeEventListener('focusout', onLeave)
    }
  }, [open])

  return (
    <div className="popover-box" ref={box}>
      <button
        ref={button}
        type="button"
        className={className}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={name}
        title={name}
        onClick={() => setOpen(!open)}
      >
        {label}
      </button>
      {open && (
        <div id={id} className={`popover ${align}`}>
          {children(() => {
            setOpen(false)
            button.current?.focus()
          })}
        </div>
      )}
    </div>
  )
}
