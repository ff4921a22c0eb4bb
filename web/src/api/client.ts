import type { TypedDocumentString } from './gen/graphql'

/** One operation with its values: what is sent, what is copied and what the playground is opened with. */
export interface Operation<Result, Variables> {
  document: TypedDocumentString<Result, Variables>
  variables: Variables
}

/** Ties a document to variables of its own type. */
export function operation<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Operation<Result, Variables> {
  return { document, variables }
}

/** Where queries are posted. Relative to the page, so that it holds under any path prefix. */
export const httpEndpoint = (): string => new URL('graphql', document.baseURI).href

/** Where subscriptions connect: the same path, as a socket. */
export const socketEndpoint = (): string => httpEndpoint().replace(/^http/, 'ws')

/** Where the playground is, perhaps filled with an operation. */
export function playgroundLink(query?: string, variables?: unknown): string {
  const url = new URL('playground/', document.baseURI)
  if (query) url.searchParams.set('query', query)
  if (variables) url.searchParams.set('variables', JSON.stringify(variables, null, 2))
  return url.href
}

/** An operation the server refused, or an answer that could not be read. `status` is 0 when nothing answered. */
export class RequestError extends Error {
  readonly status: number
  constructor(message: string, status = 0) {
    super(message)
    this.name = 'RequestError'
    this.status = status
  }
}

export const noAnswer = 'The server does not answer.'

interface Answer {
  data?: unknown
  errors?: readonly { message: string }[]
}

/** Sends one query or mutation. Throws RequestError, also when the answer carries errors. */
export async function execute<Result, Variables>(
  { document, variables }: Operation<Result, Variables>,
  signal?: AbortSignal,
): Promise<Result> {
  let response: Response
  try {
    response = await fetch(httpEndpoint(), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/graphql-response+json, application/json;q=0.9',
      },
      body: JSON.stringify({ query: document.toString(), variables }),
      signal,
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new RequestError(noAnswer)
  }
  const answer = (await response.json().catch(() => ({}))) as Answer
  if (answer.errors?.length) throw new RequestError(answer.errors.map((e) => e.message).join(' '), response.status)
  if (!response.ok || !answer.data) throw new RequestError(`The server answered ${response.status}.`, response.status)
  return answer.data as Result
}
