import { type ComponentProps, useLayoutEffect, useRef } from 'react'
import { usePage } from '../page'

type Props = Omit<ComponentProps<'dialog'>, 'ref' | 'onClose'>

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
  return <dialog ref={dialog} onClose={onClose} {...props} />
}
