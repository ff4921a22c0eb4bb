package graph

import "waggle/registry"

func hiveQuery(filter *registry.HiveFilter, orderBy *registry.HiveOrder, first, offset int) registry.HiveQuery {
	q := registry.HiveQuery{Filter: filter, First: first, Offset: offset}
	if orderBy != nil {
		q.Order = *orderBy
	}
	return q
}

func workerQuery(filter *registry.WorkerFilter, orderBy *registry.WorkerOrder, first, offset int) registry.WorkerQuery {
	q := registry.WorkerQuery{Filter: filter, First: first, Offset: offset}
	if orderBy != nil {
		q.Order = *orderBy
	}
	return q
}
