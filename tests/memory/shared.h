// What the tests of shared memory have in common.
#pragma once

#include <dirent.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "core/descriptor.h"
#include "memory/door.h"
#include "memory/segment.h"
#include "memory/visit.h"

namespace sluice::memory {

// False: not within a minute.
inline bool await(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline std::unique_ptr<Door> open_door(std::shared_ptr<Segments> own, DoorOptions options = {}) {
  auto door = Door::open(std::move(own), options);
  return door.ok() ? *std::move(door) : nullptr;
}

// A visit that the server has answered; null where it did not.
inline std::unique_ptr<Visit> visit_to(const Doorplate& plate, std::shared_ptr<Segments> own,
                                       const Bounds& bounds = {}) {
  auto visit = Visit::knock(plate, std::move(own), bounds);
  if (!visit.ok() || !await([&] { return (*visit)->status().ok(); })) return nullptr;
  return *std::move(visit);
}

// Whether all of them are `value`.
inline bool all_are(std::span<const float> values, float value) {
  return std::all_of(values.begin(), values.end(), [value](float v) { return v == value; });
}

inline size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

// Lines of a file with `text`.
inline size_t lines_with(const std::string& text, const std::string& path) {
  size_t count = 0;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.find(text) != std::string::npos) ++count;
  }
  return count;
}

// Segments that are mapped here, of whomever.
inline size_t mapped_segments() { return lines_with("/memfd:sluice", "/proc/self/maps"); }

inline core::Descriptor copy_of(int fd) { return core::Descriptor(::dup(fd)); }

}  // namespace sluice::memory
