import { usePage, useValue } from '../page'
import { CloseIcon } from './icons'
import { Modal } from './modal'
import { Key } from './parts'

const groups: { name: string; keys: [string[], string][] }[] = [
  {
    name: 'Anywhere',
    keys: [
      [['Ctrl', 'K'], 'search and commands'],
      [['/'], 'find in this view'],
      [['Space'], 'pause and resume'],
      [['c'], 'copy this view as GraphQL'],
      [['m'], 'what the map shows'],
      [['t'], 'theme'],
      [['?'], 'this sheet'],
      [['Esc'], 'close, leave the row'],
    ],
  },
  {
    name: 'Rows',
    keys: [
      [['j'], 'next row; also ↓'],
      [['k'], 'row before; also ↑'],
      [['PgUp', 'PgDn'], 'by the page'],
      [['Home', 'End'], 'first and last'],
      [['Enter'], 'open'],
    ],
  },
  {
    name: 'Go to',
    keys: [
      [['g', 'f'], 'fleet'],
      [['g', 'h'], 'hives'],
      [['g', 'm'], 'models'],
      [['g', 'c'], 'find capacity'],
      [['g', 'a'], 'activity'],
      [['g', 's'], 'server'],
      [['g', 'p'], 'playground'],
    ],
  },
]

/** Every key there is. */
export function KeySheet() {
  const page = usePage()
  const { letterKeys } = useValue(page.prefs.prefs)
  const close = () => page.dialog.set('')
  return (
    <Modal className="sheet" aria-labelledby="keys-title">
      <header>
        <h2 id="keys-title">Keyboard</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={close}>
          <CloseIcon />
        </button>
      </header>
      <div className="sheet-columns">
        {groups.map((group) => (
          <section key={group.name}>
            <h3>{group.name}</h3>
            <dl>
              {group.keys.map(([keys, what]) => (
                <div key={what}>
                  <dt>
                    {keys.map((k) => (
                      <Key key={k}>{k}</Key>
                    ))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <label className="check">
        <input
          type="checkbox"
          checked={letterKeys}
          onChange={(event) => page.prefs.set({ letterKeys: event.target.checked })}
        />
        Single-letter keys
      </label>
    </Modal>
  )
}
