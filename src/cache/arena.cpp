#include "cache/arena.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ANTEROOM_POISONS_SLOTS
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ANTEROOM_POISONS_SLOTS
#endif

#ifdef ANTEROOM_POISONS_SLOTS
// As in <sanitizer/asan_interface.h>, which not every compiler's package brings.
extern "C" {
void __asan_poison_memory_region(const volatile void* from, std::size_t size);
void __asan_unpoison_memory_region(const volatile void* from, std::size_t size);
}
#endif

namespace anteroom::cache {
namespace {

// Up to 256 bytes 16 apart, then eight classes for each doubling.
constexpr std::size_t kEvenClassesEnd = 256;
constexpr std::size_t kEvenClasses = kEvenClassesEnd / 16;
constexpr std::size_t kClassesPerDoubling = 8;

constexpr std::uint32_t class_number_for(std::size_t size) noexcept {
  const std::size_t last_byte = size - 1;
  if (size <= kEvenClassesEnd) return static_cast<std::uint32_t>(last_byte / 16);
  // The four highest bits of last_byte are 8 to 15: which class of its doubling it is in.
  const auto width = static_cast<std::size_t>(std::bit_width(last_byte));
  return static_cast<std::uint32_t>(kEvenClasses + (width - 9) * kClassesPerDoubling + (last_byte >> (width - 4)) - 8);
}

constexpr std::uint32_t bytes_of_class(std::size_t number) noexcept {
  if (number < kEvenClasses) return static_cast<std::uint32_t>((number + 1) * 16);
  const std::size_t doubling = (number - kEvenClasses) / kClassesPerDoubling;
  const std::size_t step = (number - kEvenClasses) % kClassesPerDoubling;
  return static_cast<std::uint32_t>((kEvenClassesEnd << doubling) / kClassesPerDoubling *
                                    (kClassesPerDoubling + step + 1));
}

static_assert(class_number_for(1) == 0 && class_number_for(16) == 0 && class_number_for(17) == 1);
static_assert(class_number_for(256) == 15 && class_number_for(257) == 16 && class_number_for(288) == 16);
static_assert(bytes_of_class(15) == 256 && bytes_of_class(16) == 288 && bytes_of_class(23) == 512);
static_assert(bytes_of_class(class_number_for(Arena::kSlotBytesMax)) == Arena::kSlotBytesMax);

void poison([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t size) noexcept {
#ifdef ANTEROOM_POISONS_SLOTS
  __asan_poison_memory_region(from, size);
#endif
}

void unpoison([[maybe_unused]] const void* from, [[maybe_unused]] std::size_t size) noexcept {
#ifdef ANTEROOM_POISONS_SLOTS
  __asan_unpoison_memory_region(from, size);
#endif
}

constexpr std::size_t bitmap_words(std::size_t slots) noexcept { return (slots + 63) / 64; }

}  // namespace

Arena::Arena(PageSource& memory)
    : memory_(memory),
      page_bytes_(memory.page_bytes()),
      unit_bits_(static_cast<std::uint32_t>(std::countr_zero(page_bytes_ / kUnitBytes))),
      unit_mask_((1u << unit_bits_) - 1),
      bases_(1, nullptr),
      pages_(1) {
  static_assert(class_number_for(kSlotBytesMax) + 1 == kClasses);
}

Arena::~Arena() {
  for (PageNumber number = 1; number < pages_.size(); ++number) {
    if (bases_[number] != nullptr) unmap_page(number);
  }
}

std::uint32_t Arena::class_for(std::size_t size) noexcept {
  ANTEROOM_CHECK(size > 0 && size <= kSlotBytesMax);
  return class_number_for(size);
}

std::size_t Arena::slot_bytes_for(std::size_t size) noexcept { return bytes_of_class(class_for(size)); }

Slot Arena::slot_at(PageNumber number, SlotNumber slot) const noexcept {
  const auto units = static_cast<std::uint32_t>(slot * pages_[number].slot_bytes / kUnitBytes);
  return Slot{number << unit_bits_ | units};
}

std::size_t Arena::bytes() const noexcept {
  return pages() * page_bytes_ + bitmap_bytes_ + pages_.capacity() * sizeof(Page) + bases_.capacity() * sizeof(char*);
}

Slot Arena::allocate(std::size_t size, std::size_t pages_max) {
  const std::uint32_t class_number = class_for(size);
  PageNumber number = classes_[class_number].first;
  if (number == 0) number = open_page(class_number, pages_max);
  if (number == 0) return kNoSlot;

  Page& page = pages_[number];
  SlotNumber slot = page.first_free;
  const bool is_fresh = slot == kNoSlotNumber;
  if (is_fresh) {
    slot = page.fresh++;
  } else {
    page.first_free = next_free(number, slot);
  }
  page.allocated[slot / 64] |= std::uint64_t{1} << (slot % 64);
  ++page.used;
  --classes_[class_number].free_slots;
  used_bytes_ += page.slot_bytes;
  if (page.used == page.slots) unlink(number);
  const Slot result = slot_at(number, slot);
  unpoison(address(result), page.slot_bytes);
  return result;
}

void Arena::free(Slot slot) noexcept {
  const PageNumber number = page_of(slot);
  ANTEROOM_CHECK(number < pages_.size() && pages_[number].slots > 0);
  Page& page = pages_[number];
  const auto place =
      static_cast<SlotNumber>((static_cast<std::uint32_t>(slot) & unit_mask_) * kUnitBytes / page.slot_bytes);
  ANTEROOM_CHECK(place < page.slots && is_allocated(page, place) && slot_at(number, place) == slot);

  std::memcpy(address(slot), &page.first_free, sizeof page.first_free);
  poison(address(slot), page.slot_bytes);
  page.first_free = place;
  page.allocated[place / 64] &= ~(std::uint64_t{1} << (place % 64));
  ++classes_[page.class_number].free_slots;
  used_bytes_ -= page.slot_bytes;
  const bool was_full = page.used-- == page.slots;
  if (was_full) link(number);  // so it is not the one being emptied, which has had free slots from the start
  if (page.used > 0) return;
  if (number != emptying_) unlink(number);
  if (number == emptying_) emptying_ = 0;
  close_page(number);
}

bool Arena::begin_emptying(std::vector<Slot>& slots) {
  constexpr int kPagesLookedAt = 64;
  ANTEROOM_CHECK(emptying_ == 0);
  // With as many free slots as a page has, the others together can take what any one of them holds.
  std::size_t most = 0;
  const Class* chosen = nullptr;
  for (std::size_t i = 0; i < kClasses; ++i) {
    const std::size_t slot_bytes = bytes_of_class(i);
    const std::size_t free_bytes = classes_[i].free_slots * slot_bytes;
    if (classes_[i].free_slots < page_bytes_ / slot_bytes || free_bytes <= most) continue;
    most = free_bytes;
    chosen = &classes_[i];
  }
  if (chosen == nullptr) return false;

  // Allocation fills the first pages of the list, so the emptiest are found at its end.
  PageNumber best = chosen->last;
  PageNumber number = best;
  for (int i = 0; i < kPagesLookedAt && number != 0; ++i, number = pages_[number].previous) {
    if (pages_[number].used < pages_[best].used) best = number;
  }
  unlink(best);
  emptying_ = best;
  const Page& page = pages_[best];
  for (SlotNumber slot = 0; slot < page.fresh; ++slot) {
    if (is_allocated(page, slot)) slots.push_back(slot_at(best, slot));
  }
  return true;
}

void Arena::end_emptying() noexcept {
  if (emptying_ != 0) link(emptying_);
  emptying_ = 0;
}

// Takes the kept page or a new one into use. Its slots are threaded into the list only as they are freed, so that
// nothing touches memory before it is needed.
Arena::PageNumber Arena::open_page(std::uint32_t class_number, std::size_t pages_max) {
  if (kept_ != 0 && pages() > pages_max) {
    unmap_page(kept_);
    kept_ = 0;
  }
  if (pages_in_use_ >= pages_max) return 0;
  const PageNumber number = kept_ != 0 ? kept_ : map_page();
  if (number == 0) return 0;
  kept_ = 0;

  Page& page = pages_[number];
  page.class_number = class_number;
  page.slot_bytes = bytes_of_class(class_number);
  page.slots = static_cast<std::uint32_t>(page_bytes_ / page.slot_bytes);
  page.allocated = std::make_unique<std::uint64_t[]>(bitmap_words(page.slots));
  bitmap_bytes_ += bitmap_words(page.slots) * sizeof(std::uint64_t);
  classes_[class_number].free_slots += page.slots;
  ++pages_in_use_;
  link(number);
  return number;
}

// Maps memory for a page number. 0 if there are no more of either.
Arena::PageNumber Arena::map_page() {
  const std::size_t numbers_max = std::size_t{1} << (32 - unit_bits_);
  if (unused_numbers_ == 0 && pages_.size() == numbers_max) return 0;
  char* const memory = memory_.take();
  if (memory == nullptr) return 0;
  poison(memory, page_bytes_);

  PageNumber number = unused_numbers_;
  if (number != 0) {
    unused_numbers_ = pages_[number].next;
    pages_[number].next = 0;
  } else {
    number = static_cast<PageNumber>(pages_.size());
    pages_.emplace_back();
    bases_.push_back(nullptr);
  }
  bases_[number] = memory;
  return number;
}

// Takes an empty page out of use. REQUIRES: it is in no list.
void Arena::close_page(PageNumber number) noexcept {
  Page& page = pages_[number];
  classes_[page.class_number].free_slots -= page.slots;
  bitmap_bytes_ -= bitmap_words(page.slots) * sizeof(std::uint64_t);
  page = Page{};
  --pages_in_use_;
  if (kept_ == 0) {
    kept_ = number;
  } else {
    unmap_page(number);
  }
}

void Arena::unmap_page(PageNumber number) noexcept {
  unpoison(bases_[number], page_bytes_);
  memory_.give_back(bases_[number]);
  bases_[number] = nullptr;
  pages_[number].next = unused_numbers_;
  unused_numbers_ = number;
}

// A page that just got its first free slot is nearly full: in front, it is filled before emptier ones, which so have a
// chance to become empty.
void Arena::link(PageNumber number) noexcept {
  Page& page = pages_[number];
  Class& of = classes_[page.class_number];
  page.previous = 0;
  page.next = of.first;
  (of.first != 0 ? pages_[of.first].previous : of.last) = number;
  of.first = number;
}

void Arena::unlink(PageNumber number) noexcept {
  Page& page = pages_[number];
  Class& of = classes_[page.class_number];
  (page.previous != 0 ? pages_[page.previous].next : of.first) = page.next;
  (page.next != 0 ? pages_[page.next].previous : of.last) = page.previous;
  page.previous = page.next = 0;
}

Arena::SlotNumber Arena::next_free(PageNumber number, SlotNumber slot) const noexcept {
  SlotNumber next = 0;
  const char* const from = address(slot_at(number, slot));
  unpoison(from, sizeof next);
  std::memcpy(&next, from, sizeof next);
  poison(from, sizeof next);
  return next;
}

void Arena::check_page(PageNumber number) const {
  const Page& page = pages_[number];
  if (bases_[number] == nullptr || number == kept_) {
    ANTEROOM_CHECK(page.slots == 0 && page.used == 0 && page.allocated == nullptr && number != emptying_);
    return;
  }
  ANTEROOM_CHECK(page.used > 0 && page.used <= page.fresh && page.fresh <= page.slots);
  std::uint32_t used = 0;
  for (std::size_t i = 0; i < bitmap_words(page.slots); ++i) {
    used += static_cast<std::uint32_t>(std::popcount(page.allocated[i]));
  }
  ANTEROOM_CHECK(used == page.used);
  std::uint32_t freed = 0;
  for (SlotNumber slot = page.first_free; slot != kNoSlotNumber; slot = next_free(number, slot)) {
    ANTEROOM_CHECK(slot < page.fresh && !is_allocated(page, slot));
    ANTEROOM_CHECK(++freed + used <= page.fresh);  // else the list goes round
  }
  ANTEROOM_CHECK(freed + used == page.fresh);
}

// That its list has just those pages which may be allocated from.
void Arena::check_class(std::uint32_t class_number) const {
  const Class& of = classes_[class_number];
  std::size_t free_slots = 0;
  std::size_t open_pages = 0;
  for (PageNumber number = 1; number < pages_.size(); ++number) {
    const Page& page = pages_[number];
    if (page.slots == 0 || page.class_number != class_number) continue;
    free_slots += page.slots - page.used;
    if (page.used < page.slots && number != emptying_) ++open_pages;
  }
  ANTEROOM_CHECK(free_slots == of.free_slots);
  PageNumber previous = 0;
  for (PageNumber number = of.first; number != 0; previous = number, number = pages_[number].next) {
    const Page& page = pages_[number];
    ANTEROOM_CHECK(page.previous == previous && page.class_number == class_number && number != emptying_);
    ANTEROOM_CHECK(page.used < page.slots && open_pages-- > 0);
  }
  ANTEROOM_CHECK(open_pages == 0 && of.last == previous);
}

void Arena::check_invariants() const {
  std::size_t in_use = 0;
  std::size_t used_bytes = 0;
  std::size_t unused = 1;
  for (PageNumber number = 1; number < pages_.size(); ++number) {
    check_page(number);
    if (pages_[number].slots > 0) ++in_use;
    if (bases_[number] == nullptr) ++unused;
    used_bytes += std::size_t{pages_[number].used} * pages_[number].slot_bytes;
  }
  ANTEROOM_CHECK(in_use == pages_in_use_ && used_bytes == used_bytes_ && unused + pages() == pages_.size());
  for (std::uint32_t i = 0; i < kClasses; ++i) check_class(i);
}

}  // namespace anteroom::cache
