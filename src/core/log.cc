#include "core/log.h"

#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <stdexcept>

namespace sluice::log {
namespace {

// The process's name. Roles that share a process (tests) take turns in it.
class Role {
 public:
  std::string get() const {
    std::lock_guard lock(mutex_);
    return name_;
  }
  void set(const std::string& name) {
    std::lock_guard lock(mutex_);
    name_ = name;
  }

 private:
  mutable std::mutex mutex_;
  std::string name_ = "sluice";
};

Role& role() {
  static Role instance;
  return instance;
}

class RoleFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&,
              spdlog::memory_buf_t& destination) override {
    const std::string name = role().get();
    destination.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<RoleFlag>();
  }
};

// Standard error, for who must not wait: a line that it has no room for is lost, and counted. Where
// poll() sees room in a pipe or on a terminal, there is some for a line.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (!has_room()) {
      ++lost_;
      return;
    }
    if (lost_ > 0) {
      write("(" + std::to_string(lost_) + " lines were lost here: standard error was not read)\n");
      lost_ = 0;
    }
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    write({line.data(), line.size()});
  }
  void flush_() override {}

 private:
  static bool has_room() {
    pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
    const int ready = ::poll(&standard_error, 1, 0);
    return ready > 0 && standard_error.revents == POLLOUT;
  }
  static void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
      if (written < 0 && errno != EINTR) return;
      text.remove_prefix(written > 0 ? static_cast<size_t>(written) : 0);
    }
  }

  size_t lost_ = 0;
};

void log_to_standard_error() {
  auto logger = std::make_shared<spdlog::logger>("sluice", std::make_shared<StandardError>());
  logger->set_level(spdlog::get_level());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<RoleFlag>('*').set_pattern("%H:%M:%S.%e %L %* | %v");
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void set_role(const std::string& name) {
  static std::once_flag once;
  std::call_once(once, log_to_standard_error);
  role().set(name);
}

void set_level(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    throw std::invalid_argument("log level \"" + level + "\": use debug, info, warn, error or off");
  }
  spdlog::set_level(parsed);
}

}  // namespace sluice::log
