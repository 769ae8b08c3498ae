#include "client/retry_machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice::client {
namespace {

// Less makes no sense of a call over a network.
constexpr core::Duration kShortestAttempt = std::chrono::milliseconds(100);

// What a failure says of `whom`, where it begins with that: of "driver at host:7070 broke off the
// call" about "the driver at host:7070" that it "broke off the call".
std::optional<std::string_view> what_of(std::string_view whom, const Status& failed) {
  constexpr std::string_view kArticle = "the ";
  if (whom.starts_with(kArticle)) whom.remove_prefix(kArticle.size());
  std::string_view text = failed.message();
  if (!text.starts_with(whom)) return {};
  text.remove_prefix(whom.size());
  if (!text.starts_with(' ')) return {};
  return text.substr(1);
}

}  // namespace

bool may_pass(StatusCode code) {
  return code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded ||
         code == StatusCode::kResourceExhausted;
}

core::Duration Backoff::after(int attempt, core::Rng& chance) const {
  const auto pause = std::min(first * (1 << std::clamp(attempt - 1, 0, 10)), largest);
  return core::from_seconds(core::to_seconds(pause) * (0.5 + 0.5 * chance.uniform()));
}

// One message that is lost without a word must not cost all of the time.
core::Duration RetryMachine::timeout(core::TimePoint now) {
  if (suspension_.is_over(now)) since_ = now;
  const core::Duration most = std::min(options_.give_up_after / 5, options_.longest_attempt);
  const core::Duration left = options_.give_up_after - silence(now);
  const core::Duration timeout = std::clamp(left, std::min(kShortestAttempt, most), most);
  suspension_.expect(now + core::bounded(timeout));
  return timeout;
}

std::optional<core::TimePoint> RetryMachine::after(const Status& failed, core::TimePoint now) {
  if (suspension_.is_over(now)) since_ = now;
  if (!may_pass(failed.code()) || silence(now) >= options_.give_up_after) return std::nullopt;
  const core::TimePoint end = since_ + core::bounded(options_.give_up_after);
  const core::TimePoint again = std::min(now + options_.backoff.after(++failures_, chance_), end);
  suspension_.expect(again);
  return again;
}

std::string who_failed(const std::string& whom, const Status& failed) {
  if (const auto what = what_of(whom, failed)) return fmt::format("{}, which {}", whom, *what);
  return fmt::format("{}: {}", whom, failed.message());
}

std::string waiting_for(const std::string& whom, core::Duration silence, core::Duration left,
                        const Status& failed) {
  const int64_t waited = core::whole_seconds(silence);
  return fmt::format("waiting {}for {}; given up in {} s",
                     waited > 0 ? fmt::format("{} s ", waited) : "", who_failed(whom, failed),
                     std::max<int64_t>(core::whole_seconds(left), 0));
}

Status silent_for(const std::string& whom, core::Duration silence, const Status& last) {
  constexpr std::string_view kSilent = "does not answer";
  std::string why = ": " + last.message();
  if (const auto what = what_of(whom, last)) {
    const bool is_silent = what->starts_with(kSilent);
    why = is_silent ? what->substr(kSilent.size()) : fmt::format(": {}", *what);
  }
  return unavailable(
      fmt::format("{} has not answered for {} s{}", whom, core::whole_seconds(silence), why));
}

}  // namespace sluice::client
