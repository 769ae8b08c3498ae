// Who trains at the moment, and for whom an answer is held: how far workers may be apart, and the
// rounds of algorithms that have some (algorithm::Algorithm::rounds).
//
// A worker's clock counts the windows that it has pushed, and comes with each push, so that all
// shards of a job have the same: clocks that each shard counted by itself would differ after a join
// or a death between two shards, and workers could wait for each other at different shards. The
// floor is the clock of the slowest trainee; with B backup workers, that of the slowest but B. A
// push with clock c is answered
//
//   without rounds   when c - floor <= max_staleness
//   with rounds      when c <= floor, and the round's step has been made
//
// A round's step is made when the floor rises: then everybody has pushed. A push with c <= floor is
// late. Where there are backup workers it is superseded; else it is a newcomer's first, and part of
// the round that is open. Whoever joins while others train begins at the floor that it is told with
// the values, and is waited for from its first push on.
//
// Plain decisions, of one shard.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wire/move.h"
#include "wire/parameters.h"

namespace sluice::server {

class Gate {
 public:
  Gate(bool rounds, int64_t backups) : rounds_(rounds), backups_(backups) {}

  // One that is not newer than another is ignored. False: nothing was heard yet of the generation
  // that it goes on from. Throws std::bad_alloc.
  bool set(const wire::Gate& gate);

  bool has_rounds() const { return rounds_; }
  bool is_superseded(int64_t member, int64_t clock) const;
  // Whether the round ends with the push, which has not been counted yet.
  bool would_end_round(int64_t member, int64_t clock) const;
  // The push has been applied, or was found to be, or is superseded. Repeated, it changes nothing.
  void count(int64_t member, int64_t clock) noexcept;
  // All have pushed, for instance because a trainee has left.
  bool round_is_complete() const;
  void end_round() noexcept { stepped_ = floor_; }

  // Whether the push, which has been counted, may be answered.
  bool may_answer(int64_t member, int64_t clock) const;
  int64_t floor() const { return floor_; }
  bool trains(int64_t member) const { return trainees_.contains(member); }
  int trainees() const { return static_cast<int>(trainees_.size()); }
  // As other servers have it.
  void add_state(wire::LedgerState& state) const;
  // Goes on from there. Throws std::bad_alloc.
  void adopt(const wire::LedgerState& state);

  // How far each trainee is; that no answer to it is held.
  std::vector<wire::LedgerReply::Trainee> report() const;
  // Those that answers are held for: "worker 3", "workers 1, 2, 5 and 4 others"; empty: nobody.
  std::string slowest() const;

 private:
  struct Trainee {
    int worker = 0;
    int64_t clock = -1;  // -1: has not pushed yet, and nobody waits for it
  };
  using Trainees = std::map<int64_t, Trainee>;  // by member
  // Of trainees whose clock is known, how many there are, and how many are not beyond the floor.
  struct Counts {
    int64_t known = 0, behind = 0;
  };
  Counts count_all() const;
  // When the trainee's clock becomes this.
  Counts counts_with(const Trainee& trainee, int64_t clock) const;
  // Whether the floor is below the slowest that is waited for.
  bool must_rise(const Counts& counts) const;
  void raise_floor() noexcept;

  const bool rounds_;
  const int64_t backups_;
  int64_t generation_ = 0, max_staleness_ = -1;
  Trainees trainees_;
  Counts counts_;
  std::vector<int64_t> clocks_;  // for raise_floor(), which must not fail: room for all
  int64_t floor_ = 0;            // never falls
  int64_t stepped_ = 0;  // the floor at the last round's step
};

}  // namespace sluice::server
