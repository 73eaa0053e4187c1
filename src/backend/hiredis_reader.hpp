#pragma once

#include <hiredis/hiredis.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace anteroom::backend {

/// Splits a server's bytes into replies, by hiredis's parser. A reply that is one string or number, as most are, is
/// made in memory of this object instead of being allocated. One connection, one thread.
class HiredisReader {
 public:
  /// Replies that are nested more deeply are errors of the protocol: what reads replies recurses into them.
  static constexpr std::size_t kDepthMax = 32;

  /// Aggregates of more than `elements_max` are errors of the protocol; room for all elements is made at once.
  explicit HiredisReader(long long elements_max = REDIS_READER_MAX_ARRAY_ELEMENTS);
  ~HiredisReader();
  HiredisReader(const HiredisReader&) = delete;
  HiredisReader& operator=(const HiredisReader&) = delete;

  /// The next bytes of the stream. At best a few KiB at a time, with next() between: the parser moves what it holds
  /// whenever it has taken 1 KiB of it.
  void feed(std::string_view bytes) noexcept;
  /// The next reply, valid until the next call of next(); null when bytes are missing or the stream has failed.
  [[nodiscard]] const redisReply* next() noexcept;
  /// What came is no RESP, for good.
  [[nodiscard]] bool has_failed() const noexcept { return reader_->err != 0; }
  /// Something has come that next() has not given out, and it is no push, which servers send unasked.
  [[nodiscard]] bool holds_reply() const noexcept;

 private:
  struct Makers;
  void forget_last() noexcept;

  const std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  redisReply* last_ = nullptr;  // given out by next()
  redisReply scalar_{};         // what most replies are made in; its text is in text_
  std::string text_;
};

}  // namespace anteroom::backend
