#pragma once

#include <bitset>
#include <cstddef>
#include <map>
#include <set>

#include "base/mutex.hpp"

namespace anteroom::cache {

/// What the kernel backs by one entry of the page tables, if it can (x86-64, and arm64 with pages of 4 KiB).
inline constexpr std::size_t kHugePageBytes = 2 * 1024 * 1024;

/// Memory of all arenas of a cache, in pages of one size. Thread-safe: the only lock that is taken while another, a
/// shard's, is held. It outlives the arenas.
///
/// With `huge` the pages are cut from regions of kHugePageBytes which the kernel is asked to back by huge pages: among
/// a million entries a hit waits longer for the tables of small pages than for the entries. The pages of a region may
/// be different arenas', so that all of them together waste less than one region. Once a page of it is given back, a
/// region is no longer huge, because the kernel would bring that memory back unasked; it is again when it is full.
class PageSource {
 public:
  /// `page_bytes`: a power of two, at least kPageBytesMin, at most kPageBytesMax.
  PageSource(std::size_t page_bytes, bool huge);
  /// Every page has been given back.
  ~PageSource();
  PageSource(const PageSource&) = delete;
  PageSource& operator=(const PageSource&) = delete;

  /// Zeroed, aligned to its size if huge. Null if the system has no memory.
  [[nodiscard]] char* take() ANTEROOM_EXCLUDES(mutex_);
  /// The memory goes back to the system, the addresses when the whole region is free.
  void give_back(char* page) noexcept ANTEROOM_EXCLUDES(mutex_);

  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
  /// Regions that are mapped. For tests.
  [[nodiscard]] std::size_t regions() const ANTEROOM_EXCLUDES(mutex_);

  static constexpr std::size_t kPageBytesMin = 16 * 1024;
  static constexpr std::size_t kPageBytesMax = 1024 * 1024;

 private:
  using Pages = std::bitset<kHugePageBytes / kPageBytesMin>;
  struct Region {
    Pages free;
    bool is_huge = true;
  };

  [[nodiscard]] bool map_region() ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] std::size_t pages_per_region() const noexcept { return kHugePageBytes / page_bytes_; }

  const std::size_t page_bytes_;
  const bool huge_;

  mutable base::Mutex mutex_;
  std::map<char*, Region> regions_ ANTEROOM_GUARDED_BY(mutex_);  // by address
  std::set<char*> open_ ANTEROOM_GUARDED_BY(mutex_);             // those with free pages
};

/// Memory that tables get once and keep as long as the cache lives: one mapping, of huge pages as far as they fit, so
/// that the tables of many shards share them. Not thread-safe: used while the cache is made. Outlives the tables.
class TableMemory {
 public:
  explicit TableMemory(std::size_t bytes);
  ~TableMemory();
  TableMemory(const TableMemory&) = delete;
  TableMemory& operator=(const TableMemory&) = delete;

  /// Aligned to a cache line. Null if there is not so much left.
  [[nodiscard]] void* take(std::size_t bytes) noexcept;
  [[nodiscard]] bool owns(const void* memory) const noexcept { return memory >= begin_ && memory < begin_ + bytes_; }

  /// What a table of `bytes` takes away.
  [[nodiscard]] static constexpr std::size_t rounded(std::size_t bytes) noexcept {
    return (bytes + kAlign - 1) / kAlign * kAlign;
  }

 private:
  static constexpr std::size_t kAlign = 64;

  const std::size_t bytes_;
  char* begin_ = nullptr;
  std::size_t used_ = 0;
};

/// All memory that a cache takes from the system by itself; the rest is the allocator's.
struct SystemMemory {
  SystemMemory(std::size_t page_bytes, bool huge, std::size_t table_bytes)
      : pages(page_bytes, huge), tables(table_bytes) {}

  PageSource pages;
  TableMemory tables;
};

}  // namespace anteroom::cache
