/* SPDX-License-Identifier: MIT */
/* Regions, depots and the trim of pieces; see pool.h. */
#include "base/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/syscalls.h"

#define PIECE_MIN_BYTES ((size_t)64 * 1024)
#define PIECE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define LINE_BYTES      ((size_t)64)
#define HUGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)

_Static_assert(sizeof(asyncio__chain_t) <= ASYNCIO__BLOCK_MIN_BYTES, "a chain fits any block");
_Static_assert(sizeof(asyncio__piece_t) <= LINE_BYTES, "blocks follow one line behind the head");

static _Atomic(asyncio__piece_t *) all_pieces; /* linked by next */
static asyncio__depot_t spare_pieces;          /* their memory is the kernel's */
static atomic_flag is_trimming = ATOMIC_FLAG_INIT;

/* --- pieces -------------------------------------------------------------------------------- */

static char *map(size_t size)
{
    void *memory = asyncio__sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* The same, aligned to huge pages. */
static char *map_huge(size_t size)
{
    char *memory = map(size + HUGE_PAGE_BYTES);
    if (!memory)
        return NULL;
    size_t before = -(uintptr_t)memory % HUGE_PAGE_BYTES;
    if (before > 0)
        asyncio__ignore(asyncio__sys.munmap(memory, before));
    if (before < HUGE_PAGE_BYTES)
        asyncio__ignore(
            asyncio__sys.munmap(memory + before + size, HUGE_PAGE_BYTES - before));
    asyncio__ignore(asyncio__sys.madvise(memory + before, size, MADV_HUGEPAGE));
    return memory + before;
}

static asyncio__piece_t *map_piece(size_t bytes)
{
    asyncio__piece_t *piece =
        (asyncio__piece_t *)(void *)(bytes >= HUGE_PAGE_BYTES ? map_huge(bytes) : map(bytes));
    if (!piece)
        return NULL;
    piece->bytes = bytes;
    piece->next = atomic_load_explicit(&all_pieces, memory_order_relaxed);
    /* Release: pairs with the acquire in trim_begin(), which reads the head. */
    while (!atomic_compare_exchange_weak_explicit(&all_pieces, &piece->next, piece,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return piece;
}

/* Bytes in the blocks that were cut from the region's current piece. */
static size_t cut_bytes(const asyncio__region_t *region)
{
    return (size_t)(region->at - (char *)region->piece) - LINE_BYTES - region->padding_bytes;
}

static bool take_next_piece(asyncio__region_t *region)
{
    size_t bytes = region->next_bytes ? region->next_bytes : PIECE_MIN_BYTES;
    asyncio__piece_t *piece = (asyncio__piece_t *)(void *)asyncio__depot_take(&spare_pieces);
    if (!piece) {
        piece = map_piece(bytes);
        if (!piece)
            return false;
        region->next_bytes = bytes < PIECE_MAX_BYTES ? bytes * 2 : bytes;
    }
    /* Release: whoever trims sees this count only with the padding that it leaves out. */
    if (region->piece)
        atomic_store_explicit(&region->piece->cut_bytes, cut_bytes(region), memory_order_release);
    region->piece = piece;
    region->at = (char *)piece + LINE_BYTES;
    region->end = (char *)piece + piece->bytes;
    region->padding_bytes = 0;
    return true;
}

void *asyncio__region_cut(asyncio__region_t *region, size_t size)
{
    /* Large blocks are few, and other threads may use them: each begins at a line of its own. */
    size_t padding = size >= ASYNCIO__BLOCK_LARGE_BYTES ? -(uintptr_t)region->at % LINE_BYTES : 0;
    if ((size_t)(region->end - region->at) < size + padding) {
        if (!take_next_piece(region))
            return NULL;
        padding = 0;
    }
    char *block = region->at + padding;
    region->padding_bytes += padding;
    region->at = block + size;
    return block;
}

/* --- depots -------------------------------------------------------------------------------- */

void asyncio__depot_put(asyncio__depot_t *depot, asyncio__chain_t *chain)
{
    asyncio__chain_t *last = chain;
    while (last->next)
        last = last->next;
    last->next = atomic_load_explicit(depot, memory_order_relaxed);
    /* Release: pairs with the acquire in take_all(). The head may be taken and put back meanwhile;
     * that does no harm, because chains are only ever taken all at once. */
    while (!atomic_compare_exchange_weak_explicit(depot, &last->next, chain, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

asyncio__chain_t *asyncio__depot_take_all(asyncio__depot_t *depot)
{
    if (!atomic_load_explicit(depot, memory_order_relaxed))
        return NULL;
    return atomic_exchange_explicit(depot, NULL, memory_order_acquire);
}

asyncio__chain_t *asyncio__depot_take(asyncio__depot_t *depot)
{
    asyncio__chain_t *chain = asyncio__depot_take_all(depot);
    if (!chain || !chain->next)
        return chain;
    asyncio__chain_t *rest = chain->next, *empty = NULL;
    chain->next = NULL;
    /* If no thread has put anything meanwhile, the rest need not be walked through. */
    if (!atomic_compare_exchange_strong_explicit(depot, &empty, rest, memory_order_release,
                                                 memory_order_relaxed))
        asyncio__depot_put(depot, rest);
    return chain;
}

/* --- trim ---------------------------------------------------------------------------------- */

static int compare_pieces(const void *a, const void *b)
{
    const asyncio__piece_t *one = *(asyncio__piece_t *const *)a;
    const asyncio__piece_t *other = *(asyncio__piece_t *const *)b;
    return (one > other) - (one < other);
}

bool asyncio__trim_begin(asyncio__trim_t *trim, asyncio__region_t *region)
{
    if (atomic_flag_test_and_set_explicit(&is_trimming, memory_order_acquire))
        return false;
    *trim = (asyncio__trim_t){.region = region};
    asyncio__piece_t *first = atomic_load_explicit(&all_pieces, memory_order_acquire);
    size_t count = 0;
    for (asyncio__piece_t *piece = first; piece; piece = piece->next)
        count++;
    trim->pieces = malloc((count + 1) * sizeof(*trim->pieces));
    if (!trim->pieces) {
        atomic_flag_clear_explicit(&is_trimming, memory_order_release);
        return false;
    }
    if (region->piece)
        atomic_store_explicit(&region->piece->cut_bytes, cut_bytes(region), memory_order_relaxed);
    for (asyncio__piece_t *piece = first; piece; piece = piece->next) {
        piece->free_bytes = 0;
        trim->pieces[trim->count++] = piece;
    }
    qsort(trim->pieces, count, sizeof(*trim->pieces), compare_pieces);
    return true;
}

/* The piece that a block was cut from; NULL: it came from malloc(), or the piece is too new. */
static asyncio__piece_t *piece_of(const asyncio__trim_t *trim, const void *block)
{
    size_t low = 0, high = trim->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((const char *)trim->pieces[middle] <= (const char *)block)
            low = middle + 1;
        else
            high = middle;
    }
    asyncio__piece_t *piece = low > 0 ? trim->pieces[low - 1] : NULL;
    return piece && (const char *)block < (const char *)piece + piece->bytes ? piece : NULL;
}

void asyncio__trim_count(asyncio__trim_t *trim, const asyncio__chain_t *chain,
                         size_t block_bytes)
{
    const void *block = chain;
    while (block) {
        asyncio__piece_t *piece = piece_of(trim, block);
        if (piece)
            piece->free_bytes += block_bytes;
        memcpy(&block, block, sizeof(block));
    }
}

/* Marks a piece that the trim returns to the kernel. */
#define WHOLLY_FREE SIZE_MAX

void asyncio__trim_choose(asyncio__trim_t *trim)
{
    for (size_t i = 0; i < trim->count; i++) {
        asyncio__piece_t *piece = trim->pieces[i];
        size_t cut = atomic_load_explicit(&piece->cut_bytes, memory_order_acquire);
        if (cut > 0 && cut == piece->free_bytes)
            piece->free_bytes = WHOLLY_FREE;
    }
}

bool asyncio__trim_drops(const asyncio__trim_t *trim, const void *block)
{
    asyncio__piece_t *piece = piece_of(trim, block);
    return piece && piece->free_bytes == WHOLLY_FREE;
}

/* Returns the memory of a piece, which is zero from then on, but for its head. */
static void recycle(asyncio__piece_t *piece)
{
    size_t kept = (size_t)sysconf(_SC_PAGESIZE);
    char *rest = (char *)piece + kept;
    size_t rest_bytes = piece->bytes - kept;
    memset((char *)piece + LINE_BYTES, 0, kept - LINE_BYTES);
    if (rest_bytes > 0 && asyncio__sys.madvise(rest, rest_bytes, MADV_DONTNEED) < 0)
        memset(rest, 0, rest_bytes);
    atomic_store_explicit(&piece->cut_bytes, 0, memory_order_relaxed);
    piece->spare = (asyncio__chain_t){.count = 1};
    asyncio__depot_put(&spare_pieces, &piece->spare);
}

size_t asyncio__trim_end(asyncio__trim_t *trim)
{
    asyncio__region_t *region = trim->region;
    if (region->piece && region->piece->free_bytes == WHOLLY_FREE)
        *region = (asyncio__region_t){.next_bytes = region->next_bytes};
    else if (region->piece)
        atomic_store_explicit(&region->piece->cut_bytes, 0, memory_order_relaxed);
    size_t returned = 0;
    for (size_t i = 0; i < trim->count; i++) {
        if (trim->pieces[i]->free_bytes != WHOLLY_FREE)
            continue;
        returned += trim->pieces[i]->bytes;
        recycle(trim->pieces[i]);
    }
    free(trim->pieces);
    atomic_flag_clear_explicit(&is_trimming, memory_order_release);
    return returned;
}
