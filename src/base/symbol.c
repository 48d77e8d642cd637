/* SPDX-License-Identifier: MIT */
/* Names of addresses; see symbol.h. Nothing that stands in a file is trusted. */
#include "base/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/syscalls.h"

typedef ElfW(Ehdr) header_t;
typedef ElfW(Shdr) section_header_t;
typedef ElfW(Sym) entry_t;

/* --- the file ------------------------------------------------------------------------------ */

static bool map_file(const char *path, asyncio__section_t *ret_whole)
{
    *ret_whole = (asyncio__section_t){NULL, 0};
    int fd = asyncio__sys.open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct stat stat;
    void *data = MAP_FAILED;
    if (asyncio__sys.fstat(fd, &stat) == 0 && stat.st_size > (off_t)sizeof(header_t))
        data = asyncio__sys.mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    asyncio__sys.close(fd);
    if (data == MAP_FAILED)
        return false;
    *ret_whole = (asyncio__section_t){data, (size_t)stat.st_size};
    return true;
}

/* A piece of the file, or none if it is not all there. */
static asyncio__section_t piece(const asyncio__section_t *whole, uint64_t offset, uint64_t size)
{
    if (offset > whole->size || size > whole->size - offset)
        return (asyncio__section_t){NULL, 0};
    return (asyncio__section_t){whole->data + offset, size};
}

/* The contents of a section; of one that is compressed, or has none, nothing. */
static asyncio__section_t contents(const asyncio__section_t *whole, const section_header_t *header)
{
    if (header->sh_type == SHT_NOBITS || (header->sh_flags & SHF_COMPRESSED))
        return (asyncio__section_t){NULL, 0};
    return piece(whole, header->sh_offset, header->sh_size);
}

static section_header_t section_at(const asyncio__section_t *headers, size_t index)
{
    section_header_t header = {0};
    if (index < headers->size / sizeof(header))
        memcpy(&header, headers->data + index * sizeof(header), sizeof(header));
    return header;
}

/* Finds the sections that are of use. */
static void read_sections(asyncio__symbol_file_t *file)
{
    header_t elf;
    memcpy(&elf, file->whole.data, sizeof(elf));
    if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_shentsize != sizeof(section_header_t) ||
        elf.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return;
    asyncio__section_t headers =
        piece(&file->whole, elf.e_shoff, (uint64_t)elf.e_shnum * sizeof(section_header_t));
    section_header_t names_header = section_at(&headers, elf.e_shstrndx);
    asyncio__section_t names = contents(&file->whole, &names_header);
    const struct {
        const char *name;
        asyncio__section_t *section;
    } wanted[] = {{".symtab", &file->table},
                  {".strtab", &file->strings},
                  {".debug_line", &file->lines.line},
                  {".debug_line_str", &file->lines.line_str},
                  {".debug_str", &file->lines.str}};
    for (size_t i = 0; i < headers.size / sizeof(section_header_t); i++) {
        section_header_t header = section_at(&headers, i);
        asyncio__section_t name = piece(&names, header.sh_name, 0);
        size_t room = name.data ? names.size - header.sh_name : 0;
        for (size_t k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++) {
            size_t length = strlen(wanted[k].name) + 1;
            if (room >= length && memcmp(name.data, wanted[k].name, length) == 0)
                *wanted[k].section = contents(&file->whole, &header);
        }
    }
}

static void unmap(asyncio__symbol_file_t *file)
{
    if (file->whole.data)
        asyncio__sys.munmap((void *)(uintptr_t)file->whole.data, file->whole.size);
    *file = (asyncio__symbol_file_t){0};
}

void asyncio__symbols_fini(asyncio__symbols_t *symbols)
{
    for (size_t i = 0; i < ASYNCIO__SYMBOL_FILES; i++)
        unmap(&symbols->files[i]);
}

/* The file that the loader knows by that record; mapped if it is not yet. */
static asyncio__symbol_file_t *file_of(asyncio__symbols_t *symbols, const struct link_map *map)
{
    for (size_t i = 0; i < ASYNCIO__SYMBOL_FILES; i++)
        if (symbols->files[i].name == map)
            return &symbols->files[i];
    asyncio__symbol_file_t *file = &symbols->files[symbols->next++ % ASYNCIO__SYMBOL_FILES];
    unmap(file);
    file->name = map;
    file->bias = map->l_addr;
    /* The program itself has no name there. */
    if (map_file(*map->l_name ? map->l_name : "/proc/self/exe", &file->whole))
        read_sections(file);
    return file;
}

/* --- the address --------------------------------------------------------------------------- */

static const char *name_in(const asyncio__section_t *strings, size_t offset)
{
    if (offset >= strings->size ||
        !memchr(strings->data + offset, 0, strings->size - offset))
        return "";
    return (const char *)strings->data + offset;
}

/* Looks for the function in the file's own table. */
static bool find_in_table(const asyncio__symbol_file_t *file, uintptr_t address,
                          asyncio__symbol_t *symbol)
{
    uintptr_t wanted = address - 1 - file->bias;
    for (size_t i = 0; i < file->table.size / sizeof(entry_t); i++) {
        entry_t entry;
        memcpy(&entry, file->table.data + i * sizeof(entry), sizeof(entry));
        if (ELF64_ST_TYPE(entry.st_info) != STT_FUNC || entry.st_shndx == SHN_UNDEF ||
            wanted < entry.st_value || wanted - entry.st_value >= entry.st_size)
            continue;
        snprintf(symbol->function, sizeof(symbol->function), "%s",
                 name_in(&file->strings, entry.st_name));
        symbol->offset = address - file->bias - entry.st_value;
        return true;
    }
    return false;
}

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
    asyncio__symbol_file_t *file = map ? file_of(symbols, map) : NULL;
    if (!file || !find_in_table(file, number, ret_symbol)) {
        if (info.dli_sname) {
            snprintf(ret_symbol->function, sizeof(ret_symbol->function), "%s", info.dli_sname);
            ret_symbol->offset = number - (uintptr_t)info.dli_saddr;
        }
    }
    char source[sizeof(ret_symbol->file)];
    if (file && asyncio__line_find(&file->lines, number - 1 - file->bias, source, sizeof(source),
                                   &ret_symbol->line))
        memcpy(ret_symbol->file, source, sizeof(source));
}
