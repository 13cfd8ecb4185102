#include "backends/images/url_download.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <stop_token>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/check.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr long kMaxRedirects = 5;
constexpr absl::Duration kReportEvery = absl::Milliseconds(100);
constexpr int kLongestPollMs = 60'000;

using EasyHandle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using MultiHandle = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;
using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

void InitializeOnce() {
  static const CURLcode kDone = curl_global_init(CURL_GLOBAL_DEFAULT);
  EMBER_CHECK(kDone == CURLE_OK);
}

// The value of a header line "name: value", whatever the case of its name.
std::optional<std::string> HeaderValue(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  if (!absl::EqualsIgnoreCase({line.data(), name.size()}, {name.data(), name.size()})) {
    return std::nullopt;
  }
  const std::string_view value = line.substr(name.size() + 1);
  return std::string(absl::StripAsciiWhitespace({value.data(), value.size()}));
}

// One file on its way, through as many attempts as it takes. Not thread-safe.
class Transfer {
 public:
  Transfer(const Download& download, const ProgressSink& sink, UniqueFd file)
      : download_(download),
        sink_(sink),
        shown_(ShownUrl(download.url)),
        file_(std::move(file)),
        easy_(curl_easy_init(), &curl_easy_cleanup),
        multi_(curl_multi_init(), &curl_multi_cleanup) {
    EMBER_CHECK(easy_ != nullptr && multi_ != nullptr);
    Configure();
  }

  absl::Status Run(const Cancellation& cancellation) {
    absl::Duration pause = download_.pause;
    for (int attempt = 1;; ++attempt) {
      const absl::Status status = Attempt(cancellation);
      if (status.ok() || !may_repeat_ || attempt == download_.attempts) {
        return Annotate(status, shown_);
      }
      Report(sink_, {"downloading", fmt::format("{}: trying again ({})", shown_, Message(status)),
                     received_, total_});
      RETURN_IF_ERROR(cancellation.Pause(pause, "download of " + shown_));
      pause *= 2;
    }
  }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    EMBER_CHECK(curl_easy_setopt(easy_.get(), option, value) == CURLE_OK);
  }

  void Configure() {
    const bool secure = absl::StartsWithIgnoreCase(download_.url, "https:");
    Set(CURLOPT_URL, download_.url.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    Set(CURLOPT_FOLLOWLOCATION, 1L);
    Set(CURLOPT_MAXREDIRS, kMaxRedirects);
    Set(CURLOPT_FAILONERROR, 1L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_USERAGENT, "ember");
    Set(CURLOPT_ERRORBUFFER, words_);
    Set(CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(download_.connect_limit / absl::Milliseconds(1)));
    Set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    Set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(download_.stall_limit / absl::Seconds(1)));
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  }

  absl::Status Attempt(const Cancellation& cancellation) {
    failure_ = absl::OkStatus();
    may_repeat_ = false;
    placed_ = false;
    words_[0] = '\0';
    // Without a sign that the file is still the same one, two halves may not fit together.
    if (validator_.empty()) received_ = 0;
    HeaderList headers(nullptr, &curl_slist_free_all);
    const std::string range = fmt::format("{}-", received_);
    if (received_ > 0) {
      headers.reset(curl_slist_append(nullptr, ("If-Range: " + validator_).c_str()));
    }
    Set(CURLOPT_RANGE, received_ > 0 ? range.c_str() : static_cast<const char*>(nullptr));
    Set(CURLOPT_HTTPHEADER, headers.get());
    ASSIGN_OR_RETURN(const CURLcode code, Perform(cancellation));
    if (!failure_.ok()) return failure_;
    return code == CURLE_OK ? Completed() : Explain(code);
  }

  absl::StatusOr<CURLcode> Perform(const Cancellation& cancellation) {
    EMBER_CHECK(curl_multi_add_handle(multi_.get(), easy_.get()) == CURLM_OK);
    auto code = Drive(cancellation);
    curl_multi_remove_handle(multi_.get(), easy_.get());
    return code;
  }

  absl::StatusOr<CURLcode> Drive(const Cancellation& cancellation) {
    const std::stop_callback wake(cancellation.token, [this] { curl_multi_wakeup(multi_.get()); });
    for (int running = 1;;) {
      RETURN_IF_ERROR(cancellation.Check("download"));
      EMBER_CHECK(curl_multi_perform(multi_.get(), &running) == CURLM_OK);
      if (running == 0) break;
      const int limit = cancellation.deadline.PollTimeoutMs();
      const int poll = limit < 0 ? kLongestPollMs : std::min(limit, kLongestPollMs);
      EMBER_CHECK(curl_multi_poll(multi_.get(), nullptr, 0, poll, nullptr) == CURLM_OK);
    }
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
    EMBER_CHECK(message != nullptr && message->msg == CURLMSG_DONE);
    return message->data.result;
  }

  absl::Status Completed() {
    // An empty file has no body that would have cut off what an earlier attempt left.
    if (!placed_ && ftruncate(file_.get(), 0) != 0) return ErrnoStatus(errno, "write");
    Report(sink_, {"downloading", shown_, received_, received_});
    return absl::OkStatus();
  }

  absl::Status Explain(CURLcode code) {
    const std::string_view words = words_[0] != '\0' ? words_ : curl_easy_strerror(code);
    switch (code) {
      case CURLE_HTTP_RETURNED_ERROR:
        return ExplainAnswer();
      case CURLE_OPERATION_TIMEDOUT:
        may_repeat_ = true;
        return DeadlineExceeded("no answer, or nothing came for {} after {}",
                                absl::FormatDuration(download_.stall_limit), Amount());
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_GOT_NOTHING:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM:
        may_repeat_ = true;
        return Unavailable("broke off after {}: {}", Amount(), words);
      case CURLE_COULDNT_CONNECT:
      case CURLE_COULDNT_RESOLVE_HOST:
        may_repeat_ = true;
        return Unavailable("{}", words);
      case CURLE_PEER_FAILED_VERIFICATION:
        return PermissionDenied("the server's certificate is not to be trusted: {}", words);
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_TOO_MANY_REDIRECTS:
        return FailedPrecondition("the server leads elsewhere, where this may not follow: {}",
                                  words);
      case CURLE_URL_MALFORMAT:
        return InvalidArgument("is no address: {}", words);
      default:
        return Unavailable("{}", words);
    }
  }

  absl::Status ExplainAnswer() {
    long answer = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer);
    constexpr long kUnauthorized = 401, kForbidden = 403, kNotFound = 404, kTimeout = 408,
                   kGone = 410, kRangeNotSatisfiable = 416, kTooMany = 429, kServerError = 500;
    switch (answer) {
      case kUnauthorized:
      case kForbidden:
        return PermissionDenied("the server answers {}", answer);
      case kNotFound:
      case kGone:
        return NotFound("the server answers {}: there is no such file", answer);
      case kRangeNotSatisfiable:
        validator_.clear();
        may_repeat_ = received_ > 0;
        return Unavailable("the server answers {}", answer);
      default:
        may_repeat_ = answer == kTimeout || answer == kTooMany || answer >= kServerError;
        return Unavailable("the server answers {}", answer);
    }
  }

  std::string Amount() const {
    if (total_ == 0) return fmt::format("{} bytes", received_);
    return fmt::format("{} of {} bytes", received_, total_);
  }

  static size_t OnHeader(char* bytes, size_t, size_t size, void* self) {
    static_cast<Transfer*>(self)->TakeHeader({bytes, size});
    return size;
  }

  void TakeHeader(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // a new answer: of a redirect, or of another attempt
      etag_.clear();
      modified_.clear();
      range_.clear();
    }
    // Only a strong ETag says that every byte is the same.
    if (const auto etag = HeaderValue(line, "etag"); etag && !etag->starts_with("W/"))
      etag_ = *etag;
    if (const auto modified = HeaderValue(line, "last-modified")) modified_ = *modified;
    if (const auto range = HeaderValue(line, "content-range")) range_ = *range;
  }

  static size_t OnBody(char* bytes, size_t, size_t size, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    transfer->failure_ = transfer->TakeBody({bytes, size});
    return transfer->failure_.ok() ? size : CURL_WRITEFUNC_ERROR;
  }

  absl::Status TakeBody(std::string_view bytes) {
    if (!placed_) RETURN_IF_ERROR(Place());
    if (received_ + bytes.size() > download_.max_bytes) return TooLarge();
    while (!bytes.empty()) {
      const ssize_t written =
          pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(received_));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoStatus(errno, download_.target.native());
      received_ += static_cast<uint64_t>(written);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    if (absl::Now() - reported_at_ >= kReportEvery) {
      reported_at_ = absl::Now();
      Report(sink_, {"downloading", shown_, received_, total_});
    }
    return absl::OkStatus();
  }

  // Before the first byte of an answer: whether it goes on where we are, or starts anew.
  absl::Status Place() {
    constexpr long kPartialContent = 206;
    long answer = 0;
    curl_off_t length = -1;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer);
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (answer != kPartialContent) {
      received_ = 0;
    } else if (!range_.starts_with(fmt::format("bytes {}-", received_))) {
      return Unavailable("the server answers with another part of the file ({}) than asked for",
                         range_);
    }
    if (ftruncate(file_.get(), static_cast<off_t>(received_)) != 0) {
      return ErrnoStatus(errno, download_.target.native());
    }
    total_ = length < 0 ? 0 : received_ + static_cast<uint64_t>(length);
    validator_ = etag_.empty() ? modified_ : etag_;
    placed_ = true;
    return total_ > download_.max_bytes ? TooLarge() : absl::OkStatus();
  }

  absl::Status TooLarge() const {
    const std::string size = total_ == 0 ? "" : fmt::format(" ({} bytes)", total_);
    return ResourceExhausted("is larger than {}{}", FormatSize(download_.max_bytes), size);
  }

  const Download& download_;
  const ProgressSink& sink_;
  const std::string shown_;
  const UniqueFd file_;
  const EasyHandle easy_;
  const MultiHandle multi_;
  char words_[CURL_ERROR_SIZE] = "";
  std::string validator_;                // of what we have the beginning of: an ETag or a time
  std::string etag_, modified_, range_;  // of the answer that is being read
  uint64_t received_ = 0;
  uint64_t total_ = 0;  // 0: not known
  absl::Time reported_at_ = absl::InfinitePast();
  absl::Status failure_;  // of ours, in the middle of a transfer
  bool may_repeat_ = false;
  bool placed_ = false;
};

}  // namespace

bool IsUrl(std::string_view text) {
  const absl::string_view word(text.data(), text.size());
  return absl::StartsWithIgnoreCase(word, "http://") ||
         absl::StartsWithIgnoreCase(word, "https://");
}

std::string ShownUrl(const std::string& url) {
  InitializeOnce();
  const Url parts(curl_url(), &curl_url_cleanup);
  char* text = nullptr;
  if (curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "the address";
  for (const CURLUPart secret :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(parts.get(), secret, nullptr, 0);
  }
  if (curl_url_get(parts.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return "the address";
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, &curl_free);
  return text;
}

absl::Status DownloadFile(const Download& download, const ProgressSink& sink,
                          const Cancellation& cancellation) {
  InitializeOnce();
  UniqueFd file(open(download.target.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(errno, download.target.native());
  return Transfer(download, sink, std::move(file)).Run(cancellation);
}

}  // namespace ember::images
