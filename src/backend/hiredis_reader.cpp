#include "backend/hiredis_reader.hpp"

#include "base/check.hpp"

namespace anteroom::backend {
namespace {

constexpr char kPushMark = '>';  // the first byte of what the server says unasked
constexpr std::size_t kTextKeptMax = 64 * 1024;
// The parser gives its buffer back when that is empty and larger.
constexpr std::size_t kBufferKeptMax = 64 * 1024;

// hiredis makes every reply by these; all readers that it makes have the same.
const redisReplyObjectFunctions& makers_of_hiredis() {
  static const redisReplyObjectFunctions makers = [] {
    const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader(redisReaderCreate(), &redisReaderFree);
    ANTEROOM_CHECK(reader != nullptr);
    return *reader->fn;
  }();
  return makers;
}

}  // namespace

/// What hiredis calls to make the values of a reply: those that stand alone are `scalar_`, all others its own.
struct HiredisReader::Makers {
  static HiredisReader& reader_of(const redisReadTask* task) noexcept {
    return *static_cast<HiredisReader*>(task->privdata);
  }

  static void* text(const redisReadTask* task, char* bytes, std::size_t size) noexcept {
    // Of a verbatim string hiredis also keeps what kind of text it is.
    if (task->parent != nullptr || task->type == REDIS_REPLY_VERB) {
      return makers_of_hiredis().createString(task, bytes, size);
    }
    HiredisReader& self = reader_of(task);
    self.text_.assign(bytes, size);
    self.scalar_.str = self.text_.data();
    self.scalar_.len = size;
    return scalar(self, task->type);
  }

  static void* integer(const redisReadTask* task, long long value) noexcept {
    if (task->parent != nullptr) return makers_of_hiredis().createInteger(task, value);
    HiredisReader& self = reader_of(task);
    self.scalar_.integer = value;
    return scalar(self, REDIS_REPLY_INTEGER);
  }

  static void* nil(const redisReadTask* task) noexcept {
    if (task->parent != nullptr) return makers_of_hiredis().createNil(task);
    return scalar(reader_of(task), REDIS_REPLY_NIL);
  }

  // Null, which hiredis takes for an error, if the aggregate is too deep.
  static void* aggregate(const redisReadTask* task, std::size_t elements) noexcept {
    std::size_t depth = 1;
    for (const redisReadTask* outer = task->parent; outer != nullptr; outer = outer->parent) ++depth;
    return depth > kDepthMax ? nullptr : makers_of_hiredis().createArray(task, elements);
  }

  static void free(void* object) noexcept {
    // A pointer to itself marks what is part of a reader; hiredis's own have null there, or their elements.
    auto* const reply = static_cast<redisReply*>(object);
    if (static_cast<void*>(reply->element) != object) makers_of_hiredis().freeObject(object);
  }

  static void* scalar(HiredisReader& self, int type) noexcept {
    self.scalar_.type = type;
    return &self.scalar_;
  }

  static redisReplyObjectFunctions all() {
    redisReplyObjectFunctions changed = makers_of_hiredis();
    changed.createString = text;
    changed.createInteger = integer;
    changed.createNil = nil;
    changed.createArray = aggregate;
    changed.freeObject = free;
    return changed;
  }
};

HiredisReader::HiredisReader(long long elements_max)
    : reader_(
          [] {
            static redisReplyObjectFunctions makers = Makers::all();
            return redisReaderCreateWithFunctions(&makers);
          }(),
          &redisReaderFree) {
  ANTEROOM_CHECK(reader_ != nullptr);
  reader_->privdata = this;
  reader_->maxelements = elements_max;
  reader_->maxbuf = kBufferKeptMax;
  scalar_.element = reinterpret_cast<redisReply**>(&scalar_);
}

HiredisReader::~HiredisReader() { forget_last(); }

void HiredisReader::feed(std::string_view bytes) noexcept {
  redisReaderFeed(reader_.get(), bytes.data(), bytes.size());  // out of memory shows as an error of the reader
}

const redisReply* HiredisReader::next() noexcept {
  forget_last();
  void* reply = nullptr;
  if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) return nullptr;
  last_ = static_cast<redisReply*>(reply);
  return last_;
}

void HiredisReader::forget_last() noexcept {
  if (last_ != nullptr) Makers::free(last_);
  last_ = nullptr;
  scalar_.str = nullptr;
  scalar_.len = 0;
  if (text_.capacity() > kTextKeptMax) text_ = {};
}

bool HiredisReader::holds_reply() const noexcept {
  const redisReader& reader = *reader_;
  // Having looked for a reply in vain, the reader is at its outermost level, but with a type still to be read.
  const bool has_begun = reader.ridx >= 0 && reader.task[0]->type != -1;
  if (has_begun) return reader.task[0]->type != REDIS_REPLY_PUSH;
  return reader.pos < reader.len && reader.buf[reader.pos] != kPushMark;
}

}  // namespace anteroom::backend
