// Gets files from the network.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "sluice/status.h"

namespace sluice::data {

class Fetcher {
 public:
  virtual ~Fetcher() = default;

  // Hands the bytes at `url` to `sink` piece by piece. A failure of the sink ends the transfer and
  // is returned as it is. UNAVAILABLE: the host cannot be reached or stopped sending; NOT_FOUND: it
  // answers, but not with the file. One line, naming the URL.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  virtual Status fetch(const std::string& url, const Sink& sink) = 0;
};

struct CurlOptions {
  std::chrono::milliseconds connect_timeout{5000};  // the name's lookup included
  // A transfer slower than 1,000 bytes/s for this long is given up. Whole seconds, at least 1.
  std::chrono::seconds stall_timeout{15};
};

// HTTP and HTTPS through libcurl, with redirections and the proxies of the environment. May be used
// from several threads.
std::unique_ptr<Fetcher> make_curl_fetcher(const CurlOptions& options = {});

}  // namespace sluice::data
