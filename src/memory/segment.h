// Memory that two processes of one host share: written by the one that made it, read by the other.
//
// It has no name anywhere (memfd_create(2)), so nothing is left when its last process dies. Its
// size cannot change any more and its pages are there, both for good, by seals that the kernel
// keeps: so whoever reads it gets no SIGBUS, whatever the other process does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "core/descriptor.h"
#include "sluice/status.h"

namespace sluice::memory {

// Bytes that mmap(2) gave, for as long as this lives.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
  ~Mapping();
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

// One of this process, the only one that can write to it. Zeros at first.
class Segment {
 public:
  // Of `bytes` in whole pages, each of them there already. RESOURCE_EXHAUSTED: there is not so much
  // memory. FAILED_PRECONDITION: this kernel has no such seals, or forbids memfd_create.
  static Result<Segment> make(size_t bytes);

  std::span<std::byte> bytes() const { return mapping_.bytes(); }
  int fd() const { return fd_.get(); }

 private:
  Segment(core::Descriptor fd, Mapping mapping)
      : fd_(std::move(fd)), mapping_(std::move(mapping)) {}

  core::Descriptor fd_;
  Mapping mapping_;
};

// One of another process, of which nothing is believed. Thread-safe.
class PeerSegment {
 public:
  // Maps it for reading. INVALID_ARGUMENT: what `fd` is could still change its size, lose pages or
  // has not all of them, is not of `bytes` or larger than `most_bytes`.
  static Result<std::shared_ptr<const PeerSegment>> map(core::Descriptor fd, uint64_t bytes,
                                                        uint64_t most_bytes);

  std::span<const std::byte> bytes() const { return mapping_.bytes(); }
  // INVALID_ARGUMENT: it ends before, or they do not begin at a multiple of `alignment`.
  Result<std::span<const std::byte>> view(uint64_t offset, uint64_t bytes, size_t alignment) const;

 private:
  explicit PeerSegment(Mapping mapping) : mapping_(std::move(mapping)) {}

  const Mapping mapping_;
};

}  // namespace sluice::memory
