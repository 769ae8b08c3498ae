// The version of Sluice that a program is compiled against. Versions are MAJOR.MINOR.PATCH
// (semver.org); before 1.0 any MINOR may change the API.
//
//   #if SLUICE_VERSION_MAJOR == 0 && SLUICE_VERSION_MINOR < 2
//
// All processes of a job must run one version: a driver refuses servers and workers of another.
#pragma once

#define SLUICE_VERSION_MAJOR 0
#define SLUICE_VERSION_MINOR 1
#define SLUICE_VERSION_PATCH 0
#define SLUICE_VERSION "0.1.0"
