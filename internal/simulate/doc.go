// Package simulate makes believable fleets and load: for demonstrations, and to measure servers.
//
// A [Fleet] lives by itself: hives with GPUs, workers with models, load that comes in waves, failures, flapping and restarts. Its life
// depends on the seed alone, so that two runs report the same. [Run] sends it to a server as a real fleet would, through any of the
// server's doors, with subscribers and schedulers beside it, and reports what that was like for them.
package simulate
