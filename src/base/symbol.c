/* SPDX-License-Identifier: MIT */
/* Symbols; see symbol.h. Files are not trusted: every offset in them is checked before use. */
#include "base/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(ASYNCIO__LIBDW)
#include <elfutils/libdwfl.h>
#endif

#include "base/memory.h"
#include "base/syscalls.h"

/* --- the symbol table of a file ------------------------------------------------------------ */

static void map_file(asyncio__symbols_t *symbols, const char *path)
{
    int fd = asyncio__sys.open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    struct stat stat;
    void *data = MAP_FAILED;
    if (asyncio__sys.fstat(fd, &stat) == 0 && stat.st_size > (off_t)sizeof(ElfW(Ehdr)))
        data = asyncio__sys.mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    asyncio__sys.close(fd);
    if (data == MAP_FAILED)
        return;
    symbols->data = data;
    symbols->size = (size_t)stat.st_size;
}

static void unmap_file(asyncio__symbols_t *symbols)
{
    if (symbols->data)
        asyncio__sys.munmap((void *)(uintptr_t)symbols->data, symbols->size);
    *symbols = (asyncio__symbols_t){.dwfl = symbols->dwfl};
}

/* The contents of a range of the file, or NULL if it is not all there. */
static const unsigned char *range(const asyncio__symbols_t *symbols, uint64_t offset, uint64_t size)
{
    bool is_inside = offset <= symbols->size && size <= symbols->size - offset;
    return is_inside ? symbols->data + offset : NULL;
}

static bool read_section(const asyncio__symbols_t *symbols, const ElfW(Ehdr) * elf, size_t index,
                         ElfW(Shdr) * ret_header)
{
    const unsigned char *header =
        range(symbols, elf->e_shoff + index * sizeof(*ret_header), sizeof(*ret_header));
    if (index >= elf->e_shnum || !header)
        return false;
    memcpy(ret_header, header, sizeof(*ret_header));
    return true;
}

/* Finds the symbol table and, by the link in its header, the names. */
static void find_table(asyncio__symbols_t *symbols)
{
    ElfW(Ehdr) elf;
    ElfW(Shdr) table, names;
    memcpy(&elf, symbols->data, sizeof(elf));
    if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_shentsize != sizeof(table) ||
        elf.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return;
    for (size_t i = 0; read_section(symbols, &elf, i, &table); i++) {
        if (table.sh_type != SHT_SYMTAB || !read_section(symbols, &elf, table.sh_link, &names))
            continue;
        symbols->table = range(symbols, table.sh_offset, table.sh_size);
        symbols->table_size = symbols->table ? table.sh_size : 0;
        symbols->names = range(symbols, names.sh_offset, names.sh_size);
        symbols->names_size = symbols->names ? names.sh_size : 0;
        return;
    }
}

static void read_file(asyncio__symbols_t *symbols, const struct link_map *map)
{
    if (symbols->map == map)
        return;
    unmap_file(symbols);
    symbols->map = map;
    symbols->bias = map->l_addr;
    /* The loader has no name for the program itself. */
    map_file(symbols, *map->l_name ? map->l_name : "/proc/self/exe");
    if (symbols->data)
        find_table(symbols);
}

static bool find_in_table(const asyncio__symbols_t *symbols, uintptr_t address,
                          asyncio__symbol_t *symbol)
{
    uintptr_t wanted = address - 1 - symbols->bias;
    for (size_t i = 0; i < symbols->table_size / sizeof(ElfW(Sym)); i++) {
        ElfW(Sym) entry;
        memcpy(&entry, symbols->table + i * sizeof(entry), sizeof(entry));
        if (ELF64_ST_TYPE(entry.st_info) != STT_FUNC || entry.st_shndx == SHN_UNDEF ||
            wanted < entry.st_value || wanted - entry.st_value >= entry.st_size ||
            entry.st_name >= symbols->names_size)
            continue;
        snprintf(symbol->function, sizeof(symbol->function), "%.*s",
                 (int)(symbols->names_size - entry.st_name),
                 (const char *)symbols->names + entry.st_name);
        symbol->offset = address - symbols->bias - entry.st_value;
        return true;
    }
    return false;
}

/* --- lines --------------------------------------------------------------------------------- */

#if defined(ASYNCIO__LIBDW)

/* Loaded at the first listing, so that programs which print none do not load libdw. */
static struct {
    __typeof__(dwfl_begin) *begin;
    __typeof__(dwfl_end) *end;
    __typeof__(dwfl_getsrc) *getsrc;
    __typeof__(dwfl_lineinfo) *lineinfo;
    __typeof__(dwfl_linux_proc_find_elf) *find_elf;
    __typeof__(dwfl_linux_proc_report) *report;
    __typeof__(dwfl_report_end) *report_end;
} libdw;
static bool has_libdw;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static bool load_function(void *library, const char *name, void *ret_function)
{
    void *function = dlsym(library, name);
    memcpy(ret_function, &function, sizeof(function));
    return function != NULL;
}

static void load(void)
{
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    has_libdw = library && load_function(library, "dwfl_begin", &libdw.begin) &&
                load_function(library, "dwfl_end", &libdw.end) &&
                load_function(library, "dwfl_getsrc", &libdw.getsrc) &&
                load_function(library, "dwfl_lineinfo", &libdw.lineinfo) &&
                load_function(library, "dwfl_linux_proc_find_elf", &libdw.find_elf) &&
                load_function(library, "dwfl_linux_proc_report", &libdw.report) &&
                load_function(library, "dwfl_report_end", &libdw.report_end);
}

/* Separate files with debug information are not looked for: libdw might ask servers for them. */
static int find_no_debug_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                              const char *path, const char *link, GElf_Word check,
                              char **ret_path)
{
    (void)module, (void)data, (void)name, (void)base, (void)path, (void)link, (void)check;
    (void)ret_path;
    return -1;
}

static struct Dwfl *begin_session(void)
{
    static Dwfl_Callbacks callbacks = {.find_debuginfo = find_no_debug_file};
    pthread_once(&load_once, load);
    if (!has_libdw)
        return NULL;
    callbacks.find_elf = libdw.find_elf;
    struct Dwfl *dwfl = libdw.begin(&callbacks);
    if (dwfl && libdw.report(dwfl, getpid()) == 0 && libdw.report_end(dwfl, NULL, NULL) == 0)
        return dwfl;
    if (dwfl)
        libdw.end(dwfl);
    return NULL;
}

struct line_request {
    asyncio__symbols_t *symbols; /* with the session, which it may begin */
    uintptr_t address;           /* to look up */
    asyncio__symbol_t *symbol;   /* gets file and line */
};

static void *run_request(void *arg)
{
    const struct line_request *request = arg;
    asyncio__symbols_t *symbols = request->symbols;
    if (!symbols->dwfl)
        symbols->dwfl = begin_session();
    Dwfl_Line *line = symbols->dwfl ? libdw.getsrc(symbols->dwfl, request->address) : NULL;
    int number = 0;
    const char *file = line ? libdw.lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    if (!file || number <= 0)
        return NULL;
    snprintf(request->symbol->file, sizeof(request->symbol->file), "%s", file);
    request->symbol->line = number;
    return NULL;
}

/* On a thread of its own, because libdw needs more stack than a coroutine may have. */
static void find_line(asyncio__symbols_t *symbols, uintptr_t address, asyncio__symbol_t *symbol)
{
    struct line_request request = {symbols, address, symbol};
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return;
    bool is_started = pthread_create(&thread, NULL, run_request, &request) == 0;
    asyncio__ignore(pthread_sigmask(SIG_SETMASK, &before, NULL));
    if (is_started)
        asyncio__ignore(pthread_join(thread, NULL));
}

static void end_session(asyncio__symbols_t *symbols)
{
    if (symbols->dwfl)
        libdw.end(symbols->dwfl);
}

#else

static void find_line(asyncio__symbols_t *symbols, uintptr_t address, asyncio__symbol_t *symbol)
{
    (void)symbols, (void)address, (void)symbol;
}

static void end_session(asyncio__symbols_t *symbols)
{
    (void)symbols;
}

#endif

/* --- look-up ------------------------------------------------------------------------------- */

void asyncio__symbols_find(asyncio__symbols_t *symbols, const void *address,
                           asyncio__symbol_t *ret_symbol)
{
    *ret_symbol = (asyncio__symbol_t){.line = 0};
    Dl_info info;
    struct link_map *map = NULL;
    uintptr_t number = (uintptr_t)address;
    if (!number || !dladdr1((const void *)(number - 1), &info, (void **)&map, RTLD_DL_LINKMAP))
        return;
    snprintf(ret_symbol->file, sizeof(ret_symbol->file), "%s",
             info.dli_fname ? info.dli_fname : "");
    if (map)
        read_file(symbols, map);
    if ((!map || !find_in_table(symbols, number, ret_symbol)) && info.dli_sname) {
        snprintf(ret_symbol->function, sizeof(ret_symbol->function), "%s", info.dli_sname);
        ret_symbol->offset = number - (uintptr_t)info.dli_saddr;
    }
    find_line(symbols, number - 1, ret_symbol);
}

void asyncio__symbols_fini(asyncio__symbols_t *symbols)
{
    unmap_file(symbols);
    end_session(symbols);
    *symbols = (asyncio__symbols_t){0};
}
