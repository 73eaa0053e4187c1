#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/read_buffer.hpp"
#include "resp/inline_args.hpp"
#include "resp/limits.hpp"

namespace anteroom::resp {

enum class Step { kCommand, kNeedMore, kError };

/// One command, as slices of the buffer it was read into.
struct Command {
  /// Name and arguments; never empty.
  std::span<const std::string_view> args{};
  /// The frame exactly as received, when it may be sent on unchanged. Empty for an inline command, and for a frame
  /// whose lines do not all end in CRLF: Redis reads those, another server might not, so they are encoded anew from
  /// `args`.
  std::string_view raw{};
  /// It has the name of the command before it, in the same spelling, and as many arguments. False if that is not known.
  bool is_alike = false;
};

/// Resumable splitter of client bytes into commands, with the grammar, tolerance and error texts of Redis 7.0
/// (networking.c: processInlineBuffer, processMultibulkBuffer). Does not know commands.
/// One thread; one parser per connection, fed that connection's bytes in order. Owns only its position and, for inline
/// commands, the unquoted arguments. Each call begins at the byte where the last one stopped, so the work is linear in
/// the bytes however they are cut.
///
/// One deliberate difference: Redis compares line limits with what one read happened to bring, so that a line a little
/// over the limit passes or not by chance. Here the same bytes always give the same answer.
class RequestParser {
 public:
  explicit RequestParser(Limits limits = {}) noexcept { set_limits(limits); }
  ~RequestParser() = default;
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Takes the next command out of `in`; empty lines and "*0" before it are skipped.
  /// On kCommand `out` is valid until the next call, in.prepare() or in.release_if_idle().
  /// kNeedMore leaves the unfinished command in `in`, from which nobody else may consume.
  /// kError is sticky: send error() and close the connection.
  [[nodiscard]] Step next(base::ReadBuffer& in, Command& out) noexcept;

  /// The commands behind the last one, if they are alike to it and whole, have one argument, and are as nearly all
  /// clients write them: writes their arguments to `out`, as many as it takes, and returns how many. Takes nothing from
  /// the buffer that `bytes`, at a command's begin, are of; they then begin behind the last of these.
  /// REQUIRES: next() said kCommand last, or take_alike() was called since.
  [[nodiscard]] std::size_t peek_alike(std::string_view& bytes, std::span<std::string_view> out) const noexcept;

  /// The next command, as next() would take it. REQUIRES: `argument` is what peek_alike() has given for it, nothing but
  /// the commands before it was taken since, `in` has got nothing new and the limits are the same. `out` is valid as
  /// that of next().
  void take_alike(base::ReadBuffer& in, std::string_view argument, Command& out) noexcept;

  /// After kError: the reply's text without '-' and CRLF, e.g. "ERR Protocol error: invalid bulk length". Else empty.
  [[nodiscard]] std::string_view error() const noexcept {
    return parts_ ? std::string_view(parts_->error) : std::string_view();
  }

  /// After kNeedMore: at least so many bytes are missing from the current command; 1 until its current argument's
  /// length is known. It is the client's claim: prepare no more than the memory you would give to one that never sends
  /// it.
  [[nodiscard]] std::size_t missing_bytes() const noexcept { return missing_bytes_; }

  /// For the lines read from now on, also in a command that has begun; used when the client authenticates.
  void set_limits(Limits limits) noexcept;

 private:
  enum class State { kStart, kInline, kCount, kBulkLength, kBulk, kFailed };
  enum class Line { kFound, kNeedMore, kTooLong };
  /// What the states keep and plain commands do without.
  struct Parts {
    std::vector<Slice> slices;
    std::string unquoted;
    std::string error;
  };
  /// What a plain command began with, up to the header of its first argument.
  struct Head {
    std::uint64_t first_bytes = 0;
    std::uint64_t last_bytes = 0;
    std::uint8_t bytes = 0;  // 0: it was longer than these, or the last command was not plain
    std::uint8_t name_bytes = 0;
  };
  using Progress = std::optional<Step>;  // nothing: this part is done, go on with the next

  bool take_plain(base::ReadBuffer& in, Command& out);
  [[nodiscard]] bool begins_alike(std::string_view frame) const noexcept;
  void note_head(std::string_view frame) noexcept;

  // The frame is what `in` holds; all positions count from its first byte.
  Progress advance(base::ReadBuffer& in, Command& out);
  Progress start(std::string_view frame);
  Progress read_inline(base::ReadBuffer& in, Command& out);
  Progress read_count(base::ReadBuffer& in);
  Progress read_bulk_length(std::string_view frame);
  Progress read_bulk(base::ReadBuffer& in, Command& out);

  Line find_in_line(std::string_view frame, char wanted) noexcept;
  Line find_header_end(std::string_view frame) noexcept;
  void publish(const char* bytes, Command& out);
  void release_spare_memory();
  Step need(std::size_t bytes) noexcept;
  Step fail(std::string_view text);

  Limits limits_;
  State state_ = State::kStart;
  bool takes_plain_ = false;  // the limits allow whatever take_plain() takes
  std::size_t line_ = 0;      // where the current line begins
  std::size_t at_ = 0;        // first byte not examined yet
  std::size_t args_missing_ = 0;
  std::size_t bulk_size_ = 0;
  bool has_strict_line_ends_ = true;
  std::size_t missing_bytes_ = 1;
  Head head_;
  std::vector<std::string_view> args_;
  std::unique_ptr<Parts> parts_;  // null before the first command that is not plain
};

}  // namespace anteroom::resp
