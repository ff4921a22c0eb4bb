/** What the playground opens with: the questions people come with, each ready to run. */
export const tabs: readonly { query: string; variables?: string }[] = [
  {
    query: `# The fleet in one glance. Run it with Ctrl-Enter.
query Fleet {
  fleet {
    serverTime
    hives { total online suspect offline }
    workers { total idle busy unknown }
    vramTotalMb
    vramUsedMb
    models(first: 10) { model workers idle largestFreeVramMb }
    heartbeatsPerSecond
  }
}
`,
  },
  {
    query: `# Idle workers, most free GPU memory first.
query IdleWorkers {
  workers(
    filter: { idle: true, available: true }
    orderBy: { field: VRAM_FREE, direction: DESC }
    first: 10
  ) {
    totalCount
    nodes { id model endpoint vramFreeMb gpuUtilizationPercent requestsRunning }
  }
}
`,
  },
  {
    query: `# Workers that have a model and room for more. What is unknown never matches.
query WithModelAndCapacity($model: String!, $minFreeVramMb: Int!) {
  workers(
    filter: { model: $model, minFreeVramMb: $minFreeVramMb, idle: true, available: true }
    first: 10
  ) {
    totalCount
    nodes { id endpoint vramFreeMb }
  }
}
`,
    variables: '{\n  "model": "meta-llama/Llama-3.1-8B-Instruct",\n  "minFreeVramMb": 8192\n}',
  },
  {
    query: `# The one worker a scheduler should take now. Equals are taken in turn.
query BestWorker($model: String!) {
  bestWorker(model: $model, minFreeVramMb: 0) { id endpoint vramFreeMb }
}
`,
    variables: '{\n  "model": "meta-llama/Llama-3.1-8B-Instruct"\n}',
  },
  {
    query: `# A hive reports itself and all its workers. Send it once a second, or it turns SUSPECT after three.
mutation Heartbeat($input: HeartbeatInput!) {
  heartbeat(input: $input) { outcome nextHeartbeatMs warnings revision }
}
`,
    variables: `{
  "input": {
    "hive": { "id": "playground-hive", "hostname": "127.0.0.1", "port": 0 },
    "workers": [
      {
        "group": "llm",
        "instance": "8080",
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "gpuUtilizationPercent": 0,
        "vramUsedMb": 6144,
        "vramTotalMb": 24576
      }
    ]
  }
}`,
  },
  {
    query: `# Live: the answer is pushed again whenever it may have changed.
subscription WatchBusyWorkers {
  workers(filter: { idle: false }, orderBy: { field: GPU_UTILIZATION, direction: DESC }, first: 5) {
    totalCount
    nodes { id model gpuUtilizationPercent vramUsedMb }
  }
}
`,
  },
  {
    query: `# Live: what an operator would want in a log.
subscription WatchEvents {
  events { at kind hiveId workerId message }
}
`,
  },
  {
    query: `# Live: everything a copy of the registry needs, and nothing twice. See the documentation of \`changes\`.
subscription Mirror {
  changes(intervalMs: 1000, workers: { idle: true }) {
    revision
    reset
    complete
    workers { id model vramFreeMb activity }
    removed { id kind reason }
  }
}
`,
  },
]

const mostText = 20_000

/** What the address asks the playground to open; null when nothing, or when it cannot be meant. */
export function prefill(search: string): { query: string; variables?: string } | null {
  const given = new URLSearchParams(search)
  const query = given.get('query')
  if (!query || query.length > mostText) return null
  const variables = given.get('variables')
  return variables && variables.length <= mostText ? { query, variables } : { query }
}
