import '@graphiql/react/style.css'
import '@graphiql/plugin-doc-explorer/style.css'
import '@graphiql/plugin-history/style.css'
import 'graphiql/graphiql.css'
import './playground.css'
import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { GraphiQL } from 'graphiql'
import { createClient } from 'graphql-ws'
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker'
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker'
import GraphQLWorker from 'monaco-graphql/esm/graphql.worker.js?worker'
import { createRoot } from 'react-dom/client'
import { prefill, tabs } from './operations'

// The editor looks for its workers here. They are files of this server like everything else.
Object.assign(globalThis, {
  MonacoEnvironment: {
    getWorker(_id: string, label: string): Worker {
      if (label === 'json') return new JsonWorker()
      if (label === 'graphql') return new GraphQLWorker()
      return new EditorWorker()
    },
  },
})

const endpoint = new URL('../graphql', document.baseURI).href
const fetcher = createGraphiQLFetcher({
  url: endpoint,
  wsClient: createClient({ url: endpoint.replace(/^http/, 'ws') }),
})

const opened = prefill(location.search)
if (opened) {
  // A reload shall show what the reader made of it, not what the link said.
  history.replaceState(null, '', location.pathname)
}

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <GraphiQL
      fetcher={fetcher}
      {...(opened ? { initialQuery: opened.query, initialVariables: opened.variables ?? '' } : {})}
      defaultTabs={tabs.map(({ query, variables }) => ({ query, variables: variables ?? null, headers: null }))}
      defaultEditorToolsVisibility="variables"
      inputValueDeprecation
      isHeadersEditorEnabled
    >
      <GraphiQL.Logo>
        <a className="waggle-home" href="../">
          Waggle
        </a>
      </GraphiQL.Logo>
    </GraphiQL>,
  )
}
