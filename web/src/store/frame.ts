// What arrives between two frames is shown by the second one, at once: a burst costs one rendering.
// A hidden tab has no frames, so there a timer stands in; each store holds only its newest value, nothing queues.

const due = new Set<() => void>()
let scheduled = false

function flush(): void {
  scheduled = false
  const work = [...due]
  due.clear()
  for (const run of work) run()
}

/** Runs `work` with the next frame; asking twice runs it once. */
export function onFrame(work: () => void): void {
  due.add(work)
  if (scheduled) return
  scheduled = true
  if (typeof document !== 'undefined' && !document.hidden && typeof requestAnimationFrame === 'function') {
    requestAnimationFrame(flush)
  } else {
    setTimeout(flush, 0)
  }
}
