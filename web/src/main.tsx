import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { openSocket } from './api/socket'
import { App } from './app'
import { Page, PageContext } from './page'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/fleet.css'
import './styles/table.css'
import './styles/views.css'
import './styles/panels.css'

const root = document.getElementById('root')
if (root) {
  const page = new Page(openSocket)
  page.start()
  createRoot(root).render(
    <StrictMode>
      <PageContext value={page}>
        <App />
      </PageContext>
    </StrictMode>,
  )
}
