// Command zecpower powers Zenlayer Elastic Compute fleets on and off, on schedule.
//
// Exit status: 0 everything asked for is so; 1 some instance did not get there, or the daemon
// failed; 2 wrong usage, configuration or credentials, no request was sent. `run` exits 0 after
// SIGTERM and 78 for a configuration that cannot be read; the systemd unit does not restart it
// after 78.
package main
