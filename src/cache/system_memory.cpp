#include "cache/system_memory.hpp"

#include <sys/mman.h>

#include <bit>
#include <cstdint>
#include <new>

#include "base/check.hpp"

namespace anteroom::cache {
namespace {

char* map_bytes(std::size_t bytes) noexcept {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

char* huge_page_of(char* address) noexcept {
  return address - reinterpret_cast<std::uintptr_t>(address) % kHugePageBytes;
}

// Maps `bytes` from the border of a huge page on. Null if the system has no memory.
char* map_huge(std::size_t bytes) noexcept {
  char* const from = map_bytes(bytes + kHugePageBytes);
  if (from == nullptr) return nullptr;
  char* const begin = huge_page_of(from + kHugePageBytes - 1);
  char* const end = begin + bytes;
  if (begin > from) munmap(from, static_cast<std::size_t>(begin - from));
  if (end < from + bytes + kHugePageBytes) munmap(end, static_cast<std::size_t>(from + bytes + kHugePageBytes - end));
  // A kernel without huge pages refuses; then it is as good as can be.
  madvise(begin, bytes, MADV_HUGEPAGE);
  return begin;
}

}  // namespace

// --- PageSource ---

PageSource::PageSource(std::size_t page_bytes, bool huge) : page_bytes_(page_bytes), huge_(huge) {
  ANTEROOM_CHECK(std::has_single_bit(page_bytes) && page_bytes >= kPageBytesMin && page_bytes <= kPageBytesMax);
}

PageSource::~PageSource() {
  for (const auto& [begin, region] : regions_) {
    ANTEROOM_CHECK(region.free.count() == pages_per_region());
    munmap(begin, kHugePageBytes);
  }
}

char* PageSource::take() {
  if (!huge_) return map_bytes(page_bytes_);
  const base::MutexLock lock(mutex_);
  if (open_.empty() && !map_region()) return nullptr;
  // The lowest, so that the others have a chance to become empty.
  char* const begin = *open_.begin();
  Region& region = regions_.at(begin);
  std::size_t number = 0;
  while (!region.free[number]) ++number;
  region.free.reset(number);
  if (region.free.none()) {
    open_.erase(begin);
    if (!region.is_huge) region.is_huge = madvise(begin, kHugePageBytes, MADV_HUGEPAGE) == 0;
  }
  return begin + number * page_bytes_;
}

void PageSource::give_back(char* page) noexcept {
  // Unmapping a part may split a mapping, which fails when the process has as many as the kernel allows. Then at least
  // the memory goes back, if not the addresses.
  if (!huge_) {
    if (munmap(page, page_bytes_) != 0) madvise(page, page_bytes_, MADV_DONTNEED);
    return;
  }
  const base::MutexLock lock(mutex_);
  char* const begin = huge_page_of(page);
  const auto found = regions_.find(begin);
  ANTEROOM_CHECK(found != regions_.end());
  Region& region = found->second;
  const auto number = static_cast<std::size_t>(page - begin) / page_bytes_;
  ANTEROOM_CHECK(!region.free[number]);
  region.free.set(number);
  if (region.free.count() == pages_per_region() && munmap(begin, kHugePageBytes) == 0) {
    regions_.erase(found);
    open_.erase(begin);
    return;
  }
  if (region.is_huge) region.is_huge = madvise(begin, kHugePageBytes, MADV_NOHUGEPAGE) != 0;
  madvise(page, page_bytes_, MADV_DONTNEED);
  open_.insert(begin);
}

std::size_t PageSource::regions() const {
  const base::MutexLock lock(mutex_);
  return regions_.size();
}

bool PageSource::map_region() {
  char* const begin = map_huge(kHugePageBytes);
  if (begin == nullptr) return false;
  Region& region = regions_[begin];
  for (std::size_t i = 0; i < pages_per_region(); ++i) region.free.set(i);
  open_.insert(begin);
  return true;
}

// --- TableMemory ---

TableMemory::TableMemory(std::size_t bytes)
    : bytes_(bytes), begin_(bytes >= kHugePageBytes ? map_huge(bytes) : map_bytes(bytes)) {
  if (begin_ == nullptr) throw std::bad_alloc();
}

TableMemory::~TableMemory() { munmap(begin_, bytes_); }

void* TableMemory::take(std::size_t bytes) noexcept {
  if (rounded(bytes) > bytes_ - used_) return nullptr;
  char* const memory = begin_ + used_;
  used_ += rounded(bytes);
  return memory;
}

}  // namespace anteroom::cache
