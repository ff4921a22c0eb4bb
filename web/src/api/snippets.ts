import { httpEndpoint, type Operation } from './client'

// The page sends documents with variables; people want one text that says everything. These functions turn the
// former into the latter, so that what is copied is what the page asks, and not a description of it.

// biome-ignore lint/suspicious/noExplicitAny: any operation can be copied.
export type AnyOperation = Operation<any, any>

/** Fields of inputs and variables whose values are names, not strings. */
const named = new Set(['liveness', 'field', 'direction', 'metric'])

/** A value as GraphQL writes it. */
export function literal(value: unknown, name = ''): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return `[${value.map((v) => literal(v, name)).join(', ')}]`
  if (typeof value === 'object') {
    const fields = Object.entries(value).filter(([, v]) => v !== undefined && v !== null)
    return `{ ${fields.map(([k, v]) => `${k}: ${literal(v, k)}`).join(', ')} }`
  }
  if (typeof value === 'string' && !named.has(name)) return JSON.stringify(value)
  return String(value)
}

/** Arguments that would make a longer line stand on a line each, as people write them. */
const longestLine = 64

/** Subscriptions whose query of the same name gives the same answer once. */
const alsoQueries = /^subscription (\w+)([\s\S]*?)\{\s*(fleet|workers|hives|worker)\b(?!Map)/

/**
 * The operation as one text without variables. A subscription becomes the query of the same name where there is one,
 * unless it is wanted live.
 */
export function asGraphQL({ document, variables }: AnyOperation, { live = false } = {}): string {
  let text = document
    .toString()
    .trim()
    .replace(/^ {4}fragment/gm, 'fragment')
  const once = !live && alsoQueries.test(text)
  // The header's variables go; what they stood for is written where they were used.
  text = text.replace(/^((?:query|mutation|subscription) \w+)\([^)]*\)/, '$1')
  if (once) text = text.replace(/^subscription/, 'query')
  text = text.replace(/^( *)(\w+)\(([^(){}]*\$[^(){}]*)\)/gm, (_, indent: string, field: string, list: string) => {
    const written = [...list.matchAll(/(\w+): \$(\w+)/g)]
      .filter(([, argument]) => !(once && argument === 'intervalMs'))
      .map(
        ([, argument, variable]) =>
          [argument as string, (variables as Record<string, unknown>)[variable as string]] as const,
      )
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([argument, value]) => `${argument}: ${literal(value, argument)}`)
    const line = `${indent}${field}${written.length ? `(${written.join(', ')})` : ''}`
    if (line.length <= longestLine || written.length < 2) return line
    return `${indent}${field}(\n${written.map((w) => `${indent}  ${w}\n`).join('')}${indent})`
  })
  return text.replace(/\}\n\s*fragment/g, '}\n\nfragment')
}

/** Can it be answered once, over plain HTTP? */
export const isQuery = (operation: AnyOperation): boolean => !asGraphQL(operation).startsWith('subscription')

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** One line of shell that asks the same. */
export function asCurl(operation: AnyOperation): string {
  const body = JSON.stringify({ query: asGraphQL(operation) })
  return `curl -sS ${shellQuoted(httpEndpoint())} \\\n  -H 'Content-Type: application/json' \\\n  --data-raw ${shellQuoted(body)}`
}

const goQuoted = (text: string): string => (text.includes('`') ? JSON.stringify(text) : `\`${text}\``)

/** A whole Go program that asks the same, with the standard library alone. */
export function asGo(operation: AnyOperation): string {
  return `package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
)

const query = ${goQuoted(asGraphQL(operation))}

func main() {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := http.Post(${JSON.stringify(httpEndpoint())}, "application/json", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		log.Fatal(err)
	}
}
`
}

/** Puts text on the clipboard; also on plain http, where browsers offer no clipboard to pages. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.setAttribute('readonly', '')
    area.className = 'offscreen'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}
