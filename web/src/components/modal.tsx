import { type ComponentProps, type SyntheticEvent, useLayoutEffect, useRef } from 'react'
import { usePage } from '../page'

type Props = Omit<ComponentProps<'dialog'>, 'ref' | 'onCancel' | 'onClose'>

/** A dialog that is open while it is there. It is closed before it goes: only that gives the focus back. */
export function Modal(props: Props) {
  const page = usePage()
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])
  const onClose = () => {
    if (dialog.current && !dialog.current.open) page.dialog.set('')
  }
  // The browser tells that it has closed one only a moment later, and the keys pressed in it would be lost.
  const onCancel = (event: SyntheticEvent) => {
    event.preventDefault()
    page.dialog.set('')
  }
  return <dialog ref={dialog} onCancel={onCancel} onClose={onClose} {...props} />
}
