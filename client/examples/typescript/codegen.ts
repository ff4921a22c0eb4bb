import type { CodegenConfig } from '@graphql-codegen/cli'

/** Types and document strings of the operations below, checked against the server's own schema. */
const config: CodegenConfig = {
  emitLegacyCommonJSImports: false,
  schema: '../../../schema.graphqls',
  documents: ['src/*.graphql'],
  generates: {
    './src/gen/': {
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
