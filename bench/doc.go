// Package bench measures Berth from outside: the programs run as a user runs them (berth standalone, berth edge run with the
// real dnsmasq, the embedded Temporal), on a lab whose guests the benchmark times itself. `make bench` runs it and leaves the
// numbers in bench/results/, `make bench-docs` writes them into docs/performance.md.
//
// With BENCH_BASE=/path/to/another/berth every measurement is made with both programs in turn, and their ratio printed: only
// that compares, because the machine's mood changes from run to run by more than most changes of the code do.
// BENCH_COUNT scales the number of samples down for a quick look, such as 0.2.
package bench
