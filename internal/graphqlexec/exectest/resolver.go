package exectest

import "time"

// Resolver serves the schema over a log.
type Resolver struct {
	Log *Log
	// Chunk bounds the texts in one element of a snapshot; 0 means no bound.
	Chunk int
	// Executions is called whenever a snapshot is made, if it is not nil.
	Executions func(resume string, behind bool)
	// Pace is how long a resolver waits after an element; 0 means not at all.
	Pace time.Duration
	// PlantedFault makes Changes break its promise: "lost", "repeated" or "swapped". The checkers must find it.
	PlantedFault string
}
