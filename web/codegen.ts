import type { CodegenConfig } from '@graphql-codegen/cli'

/** Types and document strings of every operation the page sends, checked against the server's own schema. */
const config: CodegenConfig = {
  schema: '../schema.graphqls',
  documents: ['src/api/*.graphql'],
  generates: {
    './src/api/gen/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        useTypeImports: true,
        skipTypename: true,
        scalars: { DateTime: 'string', Revision: 'string', ID: 'string' },
      },
    },
  },
}

export default config
