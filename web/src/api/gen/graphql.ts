/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Is the worker working right now? */
export type Activity =
  /** GPU utilization is above 0, or a request is running. */
  | 'BUSY'
  /** GPU utilization is 0 and no request is running, as far as known; one of the two is. */
  | 'IDLE'
  /** Not known: the hive is not ONLINE, or neither GPU utilization nor running requests are known. */
  | 'UNKNOWN';

/** What sort of compute device. */
export type DeviceKind =
  /** The processor of the machine and its main memory. */
  | 'CPU'
  /** A graphics processor or another accelerator. */
  | 'GPU';

/** What the cells of a fleet map show. */
export type FleetMapMetric =
  /** gpuUtilizationPercent. */
  | 'GPU_UTILIZATION'
  /** vramUsedMb as a share of vramTotalMb. */
  | 'VRAM_USED';

/** How well the hive says it is. */
export type HealthStatus =
  /** Something is wrong, work is still possible. */
  | 'DEGRADED'
  /** Nothing wrong. */
  | 'HEALTHY'
  /** No work should be sent here. */
  | 'UNHEALTHY';

/** Chooses hives. All given fields must hold; a list holds if any of its values does; null does not constrain. */
export type HiveFilter = {
  /** Available or not. */
  available?: boolean | null | undefined;
  /** Any of these ids. */
  ids?: Array<string> | null | undefined;
  /** Any of these. */
  liveness?: Array<Liveness> | null | undefined;
  /** Part of the id or the hostname, any case; for search boxes. */
  search?: string | null | undefined;
};

/** Order of hives. Equals are ordered by id. */
export type HiveOrder = {
  /** Ascending or descending. */
  direction?: OrderDirection;
  /** What to order by. */
  field: HiveOrderField;
};

/** What hives can be ordered by. */
export type HiveOrderField =
  /** The hive's id. */
  | 'ID'
  /** lastSeenAt. */
  | 'LAST_SEEN'
  /** ONLINE, SUSPECT, OFFLINE. */
  | 'LIVENESS'
  /** Number of workers. */
  | 'WORKERS';

/** Are the hive's heartbeats still arriving? Judged by the server's own clock, never by the sender's. */
export type Liveness =
  /** Given up: nothing heard for 10 s, or for ten times the hive's own cadence if that is longer. */
  | 'OFFLINE'
  /** Heard from in time. */
  | 'ONLINE'
  /** Overdue: nothing heard for 3 s, or for three times the hive's own cadence if that is longer. */
  | 'SUSPECT';

/** What the hive says it is doing. */
export type OperationalStatus =
  /** Working, and still takes work. */
  | 'BUSY'
  /** Takes work. */
  | 'READY'
  /** Coming up, takes no work yet. */
  | 'STARTING'
  /** Down, as the hive itself reported. */
  | 'STOPPED'
  /** Going down, takes no new work. */
  | 'STOPPING';

/** Ascending or descending. */
export type OrderDirection =
  /** Smallest, first or oldest first. */
  | 'ASC'
  /** Largest, last or newest first. */
  | 'DESC';

/** Kinds of events. */
export type RegistryEventKind =
  /** Two agents claim one hive id. */
  | 'HIVE_CONFLICT'
  /** An operator cordoned a hive. */
  | 'HIVE_CORDONED'
  /** A hive reports another health status. */
  | 'HIVE_HEALTH_CHANGED'
  /** A hive was heard for the first time. */
  | 'HIVE_JOINED'
  /** A hive was given up. */
  | 'HIVE_OFFLINE'
  /** A hive was forgotten or removed. */
  | 'HIVE_REMOVED'
  /** A SUSPECT or OFFLINE hive was heard again. */
  | 'HIVE_RETURNED'
  /** A hive is overdue. */
  | 'HIVE_SUSPECT'
  /** An operator uncordoned a hive. */
  | 'HIVE_UNCORDONED'
  /** A worker serves another model. */
  | 'WORKER_MODEL_CHANGED'
  /** A worker's process id changed. */
  | 'WORKER_RESTARTED'
  /** A worker was reported for the first time. */
  | 'WORKER_STARTED'
  /** A worker is no longer reported. */
  | 'WORKER_STOPPED';

/** Does the registry trust its own ears? */
export type RegistryMode =
  /**
   * So much of the fleet fell silent at once that the registry suspects itself. Nothing is forgotten until
   * heartbeats return or an operator ends the protection.
   */
  | 'PROTECTED'
  /** All is well. */
  | 'SERVING';

/**
 * Chooses workers. All given fields must hold; a list holds if any of its values does; null does not constrain.
 * What is unknown never satisfies a field.
 */
export type WorkerFilter = {
  /** Available or not. */
  available?: boolean | null | undefined;
  /** In any of these service groups. */
  groups?: Array<string> | null | undefined;
  /** Reported by any of these hives. */
  hiveIds?: Array<string> | null | undefined;
  /** true: activity IDLE, false: activity BUSY. */
  idle?: boolean | null | undefined;
  /** Any of these ids. */
  ids?: Array<string> | null | undefined;
  /** Any of these. */
  liveness?: Array<Liveness> | null | undefined;
  /** At least this many MB of GPU memory free: vramFreeMb >= minFreeVramMb. 0 or more. */
  minFreeVramMb?: number | null | undefined;
  /** Exactly this model. */
  model?: string | null | undefined;
  /** Any of these models, exactly. */
  models?: Array<string> | null | undefined;
  /** Part of the id, the model or the hostname, any case; for search boxes. */
  search?: string | null | undefined;
};

/** Order of workers. Equals are ordered by id; unknown figures come last in either direction. */
export type WorkerOrder = {
  /** Ascending or descending. */
  direction?: OrderDirection;
  /** What to order by. */
  field: WorkerOrderField;
};

/** What workers can be ordered by. */
export type WorkerOrderField =
  /** IDLE, BUSY, UNKNOWN. */
  | 'ACTIVITY'
  /** cpuPercent. */
  | 'CPU'
  /** gpuUtilizationPercent. */
  | 'GPU_UTILIZATION'
  /** The hive's id, then group, then instance. */
  | 'ID'
  /** lastSeenAt. */
  | 'LAST_SEEN'
  /** The model's name. */
  | 'MODEL'
  /** uptimeSeconds. */
  | 'UPTIME'
  /** vramFreeMb. */
  | 'VRAM_FREE'
  /** vramUsedMb. */
  | 'VRAM_USED';

export type WorkerRowFragment = { id: string, hiveId: string, group: string, instance: string, model: string | null, activity: Activity, activitySince: string, liveness: Liveness, available: boolean, gpuUtilizationPercent: number | null, vramUsedMb: number | null, vramTotalMb: number | null, vramFreeMb: number | null, cpuPercent: number | null, rssMb: number | null, uptimeSeconds: number | null, requestsRunning: number | null, requestsQueued: number | null, lastSeenAt: string };

export type HiveRowFragment = { id: string, hostname: string, port: number, version: string, operationalStatus: OperationalStatus, liveness: Liveness, available: boolean, cordoned: boolean, lastSeenAt: string, heartbeatIntervalMs: number | null, health: { status: HealthStatus, reason: string | null }, devices: Array<{ id: string, name: string, kind: DeviceKind, memoryTotalMb: number | null, memoryUsedMb: number | null, utilizationPercent: number | null }>, workers: Array<{ id: string, model: string | null, activity: Activity, liveness: Liveness, gpuUtilizationPercent: number | null, vramUsedMb: number | null, vramTotalMb: number | null }> };

export type FleetSubscriptionVariables = Exact<{
  models: number;
  intervalMs: number;
}>;


export type FleetSubscription = { fleet: { revision: string, serverTime: string, vramTotalMb: number, vramUsedMb: number, largestFreeVramMb: number, heartbeatsPerSecond: number, hives: { total: number, online: number, suspect: number, offline: number, available: number }, workers: { total: number, available: number, idle: number, busy: number, unknown: number }, models: Array<{ model: string, workers: number, available: number, idle: number, hives: number, largestFreeVramMb: number | null }> } };

export type WorkersSubscriptionVariables = Exact<{
  filter?: WorkerFilter | null | undefined;
  orderBy?: WorkerOrder | null | undefined;
  first: number;
  offset: number;
  intervalMs: number;
}>;


export type WorkersSubscription = { workers: { revision: string, totalCount: number, offset: number, nodes: Array<{ id: string, hiveId: string, group: string, instance: string, model: string | null, activity: Activity, activitySince: string, liveness: Liveness, available: boolean, gpuUtilizationPercent: number | null, vramUsedMb: number | null, vramTotalMb: number | null, vramFreeMb: number | null, cpuPercent: number | null, rssMb: number | null, uptimeSeconds: number | null, requestsRunning: number | null, requestsQueued: number | null, lastSeenAt: string }> } };

export type WorkerOrderOnlySubscriptionVariables = Exact<{
  filter?: WorkerFilter | null | undefined;
  orderBy?: WorkerOrder | null | undefined;
  first: number;
  offset: number;
  intervalMs: number;
}>;


export type WorkerOrderOnlySubscription = { workers: { totalCount: number, offset: number, nodes: Array<{ id: string }> } };

export type RowHistoriesSubscriptionVariables = Exact<{
  filter?: WorkerFilter | null | undefined;
  first: number;
  intervalMs: number;
}>;


export type RowHistoriesSubscription = { workers: { nodes: Array<{ id: string, history: { stepMs: number, gpuUtilizationPercent: Array<number | null> } }> } };

export type HivesSubscriptionVariables = Exact<{
  filter?: HiveFilter | null | undefined;
  orderBy?: HiveOrder | null | undefined;
  first: number;
  offset: number;
  intervalMs: number;
}>;


export type HivesSubscription = { hives: { revision: string, totalCount: number, offset: number, nodes: Array<{ id: string, hostname: string, port: number, version: string, operationalStatus: OperationalStatus, liveness: Liveness, available: boolean, cordoned: boolean, lastSeenAt: string, heartbeatIntervalMs: number | null, health: { status: HealthStatus, reason: string | null }, devices: Array<{ id: string, name: string, kind: DeviceKind, memoryTotalMb: number | null, memoryUsedMb: number | null, utilizationPercent: number | null }>, workers: Array<{ id: string, model: string | null, activity: Activity, liveness: Liveness, gpuUtilizationPercent: number | null, vramUsedMb: number | null, vramTotalMb: number | null }> }> } };

export type HiveOrderOnlySubscriptionVariables = Exact<{
  filter?: HiveFilter | null | undefined;
  orderBy?: HiveOrder | null | undefined;
  first: number;
  offset: number;
  intervalMs: number;
}>;


export type HiveOrderOnlySubscription = { hives: { totalCount: number, offset: number, nodes: Array<{ id: string }> } };

export type FleetMapSubscriptionVariables = Exact<{
  metric: FleetMapMetric;
  filter?: WorkerFilter | null | undefined;
  intervalMs: number;
}>;


export type FleetMapSubscription = { fleetMap: { revision: string, layoutVersion: number, cells: string, layout: { groups: Array<{ key: string, workerIds: Array<string> }> } | null } };

export type WorkerDetailSubscriptionVariables = Exact<{
  id: string;
  intervalMs: number;
}>;


export type WorkerDetailSubscription = { worker: { pid: number | null, endpoint: string | null, ioReadMbPerSecond: number | null, ioWriteMbPerSecond: number | null, revision: string, id: string, hiveId: string, group: string, instance: string, model: string | null, activity: Activity, activitySince: string, liveness: Liveness, available: boolean, gpuUtilizationPercent: number | null, vramUsedMb: number | null, vramTotalMb: number | null, vramFreeMb: number | null, cpuPercent: number | null, rssMb: number | null, uptimeSeconds: number | null, requestsRunning: number | null, requestsQueued: number | null, lastSeenAt: string, hive: { hostname: string, endpoint: string, version: string, operationalStatus: OperationalStatus, cordoned: boolean, health: { status: HealthStatus, reason: string | null } }, history: { stepMs: number, gpuUtilizationPercent: Array<number | null>, vramUsedMb: Array<number | null> } } | null };

export type HiveDetailSubscriptionVariables = Exact<{
  filter?: HiveFilter | null | undefined;
  first: number;
  intervalMs: number;
}>;


export type HiveDetailSubscription = { hives: { nodes: Array<{ id: string, hostname: string, port: number, endpoint: string, version: string, operationalStatus: OperationalStatus, liveness: Liveness, available: boolean, cordoned: boolean, firstSeenAt: string, lastSeenAt: string, heartbeatIntervalMs: number | null, clockSkewMs: number | null, revision: string, health: { status: HealthStatus, reason: string | null }, devices: Array<{ id: string, name: string, kind: DeviceKind, memoryTotalMb: number | null, memoryUsedMb: number | null, utilizationPercent: number | null, temperatureCelsius: number | null, powerWatts: number | null, computeCapability: string | null }>, workers: Array<{ id: string, group: string, instance: string, model: string | null, activity: Activity, liveness: Liveness, gpuUtilizationPercent: number | null, vramUsedMb: number | null, vramTotalMb: number | null, history: { stepMs: number, gpuUtilizationPercent: Array<number | null>, vramUsedMb: Array<number | null> } }> }> } };

export type EventsSubscriptionVariables = Exact<{
  hiveId?: string | null | undefined;
}>;


export type EventsSubscription = { events: { revision: string, at: string, kind: RegistryEventKind, hiveId: string, workerId: string | null, message: string } };

export type PastEventsQueryVariables = Exact<{
  first: number;
  hiveId?: string | null | undefined;
}>;


export type PastEventsQuery = { events: Array<{ revision: string, at: string, kind: RegistryEventKind, hiveId: string, workerId: string | null, message: string }> };

export type CandidatesSubscriptionVariables = Exact<{
  filter?: WorkerFilter | null | undefined;
  orderBy?: WorkerOrder | null | undefined;
  first: number;
  intervalMs: number;
}>;


export type CandidatesSubscription = { workers: { totalCount: number, nodes: Array<{ id: string, hiveId: string, model: string | null, endpoint: string | null, gpuUtilizationPercent: number | null, vramFreeMb: number | null, requestsRunning: number | null, requestsQueued: number | null }> } };

export type BestWorkerQueryVariables = Exact<{
  model: string;
  minFreeVramMb?: number | null | undefined;
}>;


export type BestWorkerQuery = { bestWorker: { id: string, hiveId: string, model: string | null, endpoint: string | null, gpuUtilizationPercent: number | null, vramFreeMb: number | null, requestsRunning: number | null, requestsQueued: number | null } | null };

export type ServerQueryVariables = Exact<{ [key: string]: never; }>;


export type ServerQuery = { server: { version: string, epoch: string, startedAt: string, mode: RegistryMode } };

export type FindQueryVariables = Exact<{
  search: string;
}>;


export type FindQuery = { hives: { totalCount: number, nodes: Array<{ id: string, hostname: string, liveness: Liveness }> }, workers: { totalCount: number, nodes: Array<{ id: string, model: string | null, activity: Activity, liveness: Liveness }> } };

export type PeekQueryVariables = Exact<{
  id: string;
}>;


export type PeekQuery = { worker: { id: string, model: string | null, activity: Activity, liveness: Liveness, vramUsedMb: number | null, vramTotalMb: number | null } | null };

export type CordonHiveMutationVariables = Exact<{
  id: string;
}>;


export type CordonHiveMutation = { cordonHive: { id: string, cordoned: boolean } | null };

export type UncordonHiveMutationVariables = Exact<{
  id: string;
}>;


export type UncordonHiveMutation = { uncordonHive: { id: string, cordoned: boolean } | null };

export type EndProtectionMutationVariables = Exact<{ [key: string]: never; }>;


export type EndProtectionMutation = { endProtection: boolean };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const WorkerRowFragmentDoc = new TypedDocumentString(`
    fragment WorkerRow on Worker {
  id
  hiveId
  group
  instance
  model
  activity
  activitySince
  liveness
  available
  gpuUtilizationPercent
  vramUsedMb
  vramTotalMb
  vramFreeMb
  cpuPercent
  rssMb
  uptimeSeconds
  requestsRunning
  requestsQueued
  lastSeenAt
}
    `, {"fragmentName":"WorkerRow"}) as unknown as TypedDocumentString<WorkerRowFragment, unknown>;
export const HiveRowFragmentDoc = new TypedDocumentString(`
    fragment HiveRow on Hive {
  id
  hostname
  port
  version
  operationalStatus
  health {
    status
    reason
  }
  liveness
  available
  cordoned
  lastSeenAt
  heartbeatIntervalMs
  devices {
    id
    name
    kind
    memoryTotalMb
    memoryUsedMb
    utilizationPercent
  }
  workers {
    id
    model
    activity
    liveness
    gpuUtilizationPercent
    vramUsedMb
    vramTotalMb
  }
}
    `, {"fragmentName":"HiveRow"}) as unknown as TypedDocumentString<HiveRowFragment, unknown>;
export const FleetDocument = new TypedDocumentString(`
    subscription Fleet($models: Int!, $intervalMs: Int!) {
  fleet(intervalMs: $intervalMs) {
    revision
    serverTime
    hives {
      total
      online
      suspect
      offline
      available
    }
    workers {
      total
      available
      idle
      busy
      unknown
    }
    vramTotalMb
    vramUsedMb
    largestFreeVramMb
    models(first: $models) {
      model
      workers
      available
      idle
      hives
      largestFreeVramMb
    }
    heartbeatsPerSecond
  }
}
    `) as unknown as TypedDocumentString<FleetSubscription, FleetSubscriptionVariables>;
export const WorkersDocument = new TypedDocumentString(`
    subscription Workers($filter: WorkerFilter, $orderBy: WorkerOrder, $first: Int!, $offset: Int!, $intervalMs: Int!) {
  workers(
    filter: $filter
    orderBy: $orderBy
    first: $first
    offset: $offset
    intervalMs: $intervalMs
  ) {
    revision
    totalCount
    offset
    nodes {
      ...WorkerRow
    }
  }
}
    fragment WorkerRow on Worker {
  id
  hiveId
  group
  instance
  model
  activity
  activitySince
  liveness
  available
  gpuUtilizationPercent
  vramUsedMb
  vramTotalMb
  vramFreeMb
  cpuPercent
  rssMb
  uptimeSeconds
  requestsRunning
  requestsQueued
  lastSeenAt
}`) as unknown as TypedDocumentString<WorkersSubscription, WorkersSubscriptionVariables>;
export const WorkerOrderOnlyDocument = new TypedDocumentString(`
    subscription WorkerOrderOnly($filter: WorkerFilter, $orderBy: WorkerOrder, $first: Int!, $offset: Int!, $intervalMs: Int!) {
  workers(
    filter: $filter
    orderBy: $orderBy
    first: $first
    offset: $offset
    intervalMs: $intervalMs
  ) {
    totalCount
    offset
    nodes {
      id
    }
  }
}
    `) as unknown as TypedDocumentString<WorkerOrderOnlySubscription, WorkerOrderOnlySubscriptionVariables>;
export const RowHistoriesDocument = new TypedDocumentString(`
    subscription RowHistories($filter: WorkerFilter, $first: Int!, $intervalMs: Int!) {
  workers(filter: $filter, first: $first, intervalMs: $intervalMs) {
    nodes {
      id
      history {
        stepMs
        gpuUtilizationPercent
      }
    }
  }
}
    `) as unknown as TypedDocumentString<RowHistoriesSubscription, RowHistoriesSubscriptionVariables>;
export const HivesDocument = new TypedDocumentString(`
    subscription Hives($filter: HiveFilter, $orderBy: HiveOrder, $first: Int!, $offset: Int!, $intervalMs: Int!) {
  hives(
    filter: $filter
    orderBy: $orderBy
    first: $first
    offset: $offset
    intervalMs: $intervalMs
  ) {
    revision
    totalCount
    offset
    nodes {
      ...HiveRow
    }
  }
}
    fragment HiveRow on Hive {
  id
  hostname
  port
  version
  operationalStatus
  health {
    status
    reason
  }
  liveness
  available
  cordoned
  lastSeenAt
  heartbeatIntervalMs
  devices {
    id
    name
    kind
    memoryTotalMb
    memoryUsedMb
    utilizationPercent
  }
  workers {
    id
    model
    activity
    liveness
    gpuUtilizationPercent
    vramUsedMb
    vramTotalMb
  }
}`) as unknown as TypedDocumentString<HivesSubscription, HivesSubscriptionVariables>;
export const HiveOrderOnlyDocument = new TypedDocumentString(`
    subscription HiveOrderOnly($filter: HiveFilter, $orderBy: HiveOrder, $first: Int!, $offset: Int!, $intervalMs: Int!) {
  hives(
    filter: $filter
    orderBy: $orderBy
    first: $first
    offset: $offset
    intervalMs: $intervalMs
  ) {
    totalCount
    offset
    nodes {
      id
    }
  }
}
    `) as unknown as TypedDocumentString<HiveOrderOnlySubscription, HiveOrderOnlySubscriptionVariables>;
export const FleetMapDocument = new TypedDocumentString(`
    subscription FleetMap($metric: FleetMapMetric!, $filter: WorkerFilter, $intervalMs: Int!) {
  fleetMap(metric: $metric, filter: $filter, intervalMs: $intervalMs) {
    revision
    layoutVersion
    layout {
      groups {
        key
        workerIds
      }
    }
    cells
  }
}
    `) as unknown as TypedDocumentString<FleetMapSubscription, FleetMapSubscriptionVariables>;
export const WorkerDetailDocument = new TypedDocumentString(`
    subscription WorkerDetail($id: ID!, $intervalMs: Int!) {
  worker(id: $id, intervalMs: $intervalMs) {
    ...WorkerRow
    pid
    endpoint
    ioReadMbPerSecond
    ioWriteMbPerSecond
    revision
    hive {
      hostname
      endpoint
      version
      health {
        status
        reason
      }
      operationalStatus
      cordoned
    }
    history {
      stepMs
      gpuUtilizationPercent
      vramUsedMb
    }
  }
}
    fragment WorkerRow on Worker {
  id
  hiveId
  group
  instance
  model
  activity
  activitySince
  liveness
  available
  gpuUtilizationPercent
  vramUsedMb
  vramTotalMb
  vramFreeMb
  cpuPercent
  rssMb
  uptimeSeconds
  requestsRunning
  requestsQueued
  lastSeenAt
}`) as unknown as TypedDocumentString<WorkerDetailSubscription, WorkerDetailSubscriptionVariables>;
export const HiveDetailDocument = new TypedDocumentString(`
    subscription HiveDetail($filter: HiveFilter, $first: Int!, $intervalMs: Int!) {
  hives(filter: $filter, first: $first, intervalMs: $intervalMs) {
    nodes {
      id
      hostname
      port
      endpoint
      version
      operationalStatus
      health {
        status
        reason
      }
      liveness
      available
      cordoned
      firstSeenAt
      lastSeenAt
      heartbeatIntervalMs
      clockSkewMs
      revision
      devices {
        id
        name
        kind
        memoryTotalMb
        memoryUsedMb
        utilizationPercent
        temperatureCelsius
        powerWatts
        computeCapability
      }
      workers {
        id
        group
        instance
        model
        activity
        liveness
        gpuUtilizationPercent
        vramUsedMb
        vramTotalMb
        history {
          stepMs
          gpuUtilizationPercent
          vramUsedMb
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<HiveDetailSubscription, HiveDetailSubscriptionVariables>;
export const EventsDocument = new TypedDocumentString(`
    subscription Events($hiveId: ID) {
  events(hiveId: $hiveId) {
    revision
    at
    kind
    hiveId
    workerId
    message
  }
}
    `) as unknown as TypedDocumentString<EventsSubscription, EventsSubscriptionVariables>;
export const PastEventsDocument = new TypedDocumentString(`
    query PastEvents($first: Int!, $hiveId: ID) {
  events(first: $first, hiveId: $hiveId) {
    revision
    at
    kind
    hiveId
    workerId
    message
  }
}
    `) as unknown as TypedDocumentString<PastEventsQuery, PastEventsQueryVariables>;
export const CandidatesDocument = new TypedDocumentString(`
    subscription Candidates($filter: WorkerFilter, $orderBy: WorkerOrder, $first: Int!, $intervalMs: Int!) {
  workers(
    filter: $filter
    orderBy: $orderBy
    first: $first
    intervalMs: $intervalMs
  ) {
    totalCount
    nodes {
      id
      hiveId
      model
      endpoint
      gpuUtilizationPercent
      vramFreeMb
      requestsRunning
      requestsQueued
    }
  }
}
    `) as unknown as TypedDocumentString<CandidatesSubscription, CandidatesSubscriptionVariables>;
export const BestWorkerDocument = new TypedDocumentString(`
    query BestWorker($model: String!, $minFreeVramMb: Int) {
  bestWorker(model: $model, minFreeVramMb: $minFreeVramMb) {
    id
    hiveId
    model
    endpoint
    gpuUtilizationPercent
    vramFreeMb
    requestsRunning
    requestsQueued
  }
}
    `) as unknown as TypedDocumentString<BestWorkerQuery, BestWorkerQueryVariables>;
export const ServerDocument = new TypedDocumentString(`
    query Server {
  server {
    version
    epoch
    startedAt
    mode
  }
}
    `) as unknown as TypedDocumentString<ServerQuery, ServerQueryVariables>;
export const FindDocument = new TypedDocumentString(`
    query Find($search: String!) {
  hives(filter: {search: $search}, first: 5) {
    totalCount
    nodes {
      id
      hostname
      liveness
    }
  }
  workers(filter: {search: $search}, first: 8) {
    totalCount
    nodes {
      id
      model
      activity
      liveness
    }
  }
}
    `) as unknown as TypedDocumentString<FindQuery, FindQueryVariables>;
export const PeekDocument = new TypedDocumentString(`
    query Peek($id: ID!) {
  worker(id: $id) {
    id
    model
    activity
    liveness
    vramUsedMb
    vramTotalMb
  }
}
    `) as unknown as TypedDocumentString<PeekQuery, PeekQueryVariables>;
export const CordonHiveDocument = new TypedDocumentString(`
    mutation CordonHive($id: ID!) {
  cordonHive(id: $id) {
    id
    cordoned
  }
}
    `) as unknown as TypedDocumentString<CordonHiveMutation, CordonHiveMutationVariables>;
export const UncordonHiveDocument = new TypedDocumentString(`
    mutation UncordonHive($id: ID!) {
  uncordonHive(id: $id) {
    id
    cordoned
  }
}
    `) as unknown as TypedDocumentString<UncordonHiveMutation, UncordonHiveMutationVariables>;
export const EndProtectionDocument = new TypedDocumentString(`
    mutation EndProtection {
  endProtection
}
    `) as unknown as TypedDocumentString<EndProtectionMutation, EndProtectionMutationVariables>;