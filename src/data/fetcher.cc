#include "data/fetcher.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <mutex>

namespace sluice::data {
namespace {

struct Transfer {
  const Fetcher::Sink& sink;
  Status failure;
};

size_t receive(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.failure = transfer.sink(std::as_bytes(std::span(bytes, size * count)));
  return transfer.failure.ok() ? size * count : 0;
}

void allow_http_only(CURL* curl) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

class CurlFetcher final : public Fetcher {
 public:
  explicit CurlFetcher(const CurlOptions& options) : options_(options) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  }

  Status fetch(const std::string& url, const Sink& sink) override {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                     &curl_easy_cleanup);
    CURL* const curl = handle.get();
    if (curl == nullptr) return internal_error(url + ": cannot set up libcurl");
    Transfer transfer{.sink = sink, .failure = {}};
    allow_http_only(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluice");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(options_.connect_timeout.count()));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1000L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(options_.stall_timeout.count()));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    const CURLcode code = curl_easy_perform(curl);
    if (!transfer.failure.ok()) return transfer.failure;
    if (code == CURLE_OK) return ok_status();
    if (code == CURLE_HTTP_RETURNED_ERROR) {
      long answer = 0;
      curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
      return not_found(fmt::format("{}: the server answers {}", url, answer));
    }
    return unavailable(fmt::format("{}: {}", url, curl_easy_strerror(code)));
  }

 private:
  const CurlOptions options_;
};

}  // namespace

std::unique_ptr<Fetcher> make_curl_fetcher(const CurlOptions& options) {
  return std::make_unique<CurlFetcher>(options);
}

}  // namespace sluice::data
