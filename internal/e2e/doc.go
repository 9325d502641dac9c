// SPDX-License-Identifier: GPL-2.0-or-later

// Package e2e tests the iotupd command as its users run it: the real binary,
// real sockets, network namespaces joined by a bridge, packet loss by nftables,
// and every file compared by its SHA-256. There is nothing to import here.
//
// A test passes on a machine of any speed, whatever else that does: it waits for
// events, and where it acts in the middle of a transfer, a valve in the kernel holds
// the rest back meanwhile. No test asserts how fast something is, or how much arrives
// while something else is done.
//
// The tests are also the commands behind the figures that the project states: they
// print what they measured, some only with IOTUPD_E2E_FULL=1. They need root, and the tools ip, nft, ethtool
// and sysctl; those with a router, Debian's packages frr and smcroute, those with
// emulated processors, qemu-user-static, those with units, systemd, and
// those with updaters, rauc-service, squashfs-tools, swupdate, dbus, openssl and cpio:
//
//	go test -v -count=1 ./internal/e2e                                  2 minutes
//	IOTUPD_E2E_FULL=1 go test -v -count=1 -timeout 90m ./internal/e2e   20 minutes
//
// The second one runs the sizes and repetitions of the acceptance tests. It takes
// 12 GiB in the temporary directory and wants a machine with nothing else to do.
// One figure alone, by -run:
//
//	WithDiff     packets needed at 0, 1, 10, 30 % loss, as a multiple of the bound
//	Late         packets taken by a receiver that joins at any moment
//	AddUp        time and packets with 1, 2, 3 senders of the same file
//	Memory       peak memory of a receiver by file size, profile and loss
//	RateOn       rate on the wire, from 100 kbit/s on
//	Listened     time from a join to the first packet, from the last leave to the pause
//	Router       how long a router forwards after the last leave
//	FirstData    time from the start of a sender to its first data packet
//	Intruder     time, memory and disk of a receiver while somebody attacks it
//	Killed       shards received again after a kill and damage
//	OlderFile    shards received where an older version of the file is there
//	Layers       layers received behind links of different speed, and how often that changes
//	OfDigests    packets and processor time that digests cost
//	EveryProc    time and result of transfers on emulated processors
//	NoShards     shards needed with digests, against without
//
// Where something is missing, the tests skip and say so; with
// IOTUPD_REQUIRE_NETNS=1 they fail instead. With -short they all skip.
//
// Packets never leave the namespaces. Processes and namespaces of a test end with
// it; those that a killed run left behind are removed by the next run. Packet
// loss is drawn by the kernel and cannot be replayed; everything else that is
// drawn comes from a seed that the log shows and IOTUPD_E2E_SEED sets.
package e2e
