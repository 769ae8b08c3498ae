// Facts about this process and host.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/status.h"

namespace sluice::core {

// The most physical memory this process has had (VmHWM), in bytes; 0 where /proc does not tell.
int64_t peak_memory_bytes();

std::string host_name();

// The boot id of the machine, the same in all of its containers; empty where /proc does not tell.
std::string boot_id();

// Of the container or pod that this process is in: POD_NAME, as Kubernetes' manifests set it, or
// the first digits of the number that Docker and containerd give it. Empty: none, or not known.
// `root`: of /proc, for tests.
std::string container_name(const std::string& root = "");

// When this process started, in clock ticks since the machine was booted; 0 where /proc does not
// tell.
int64_t start_ticks();
int64_t start_ticks_of(int64_t pid);  // likewise; 0 also where there is no such process

// Where standard input, output or error is closed, opens /dev/null in its place, so that reading
// and writing it fail: else the next file that is opened gets its number, and what is meant for it.
// To be called before any other file is opened.
void hold_standard_files();

// RESOURCE_EXHAUSTED where this process cannot have what a role takes: its limits on open files,
// on processes or on address space are too low. Tries it: opens the files, starts the threads and
// lets go of them. Without threads gRPC would abort the process without saying why, and without
// files it would take every peer for silent. `members`: how many it will be connected with, as far
// as that is known.
Status check_limits(int members = 0);

// Lets this process open as many files and connections as its hard limit allows: the soft one is
// often 1024, and each worker of a large job takes some.
void raise_file_limit();

// What this process may have at most, in bytes: the physical memory of this machine or, where that
// is less, the limit of a control group (of a container, a pod, a service).
int64_t usable_memory_bytes();

// "1.50 GB", in powers of 1024, as Keras' summary has it.
std::string memory_text(double bytes);

}  // namespace sluice::core
