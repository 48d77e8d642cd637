/* SPDX-License-Identifier: MIT */
/*
 * Line tables; see line_table.h. Each unit is a header, which names directories and files, and a
 * program for a small machine, which makes rows of address, file and line. Nothing is trusted: a
 * reader that would leave its piece stays at its end and answers zeroes.
 */
#include "base/line_table.h"

#include <stdio.h>
#include <string.h>

/* --- reading ------------------------------------------------------------------------------- */

typedef struct reader {
    const unsigned char *at, *end; /* what is left */
} reader_t;

static uint64_t read_number(reader_t *reader, size_t bytes)
{
    if ((size_t)(reader->end - reader->at) < bytes) {
        reader->at = reader->end;
        return 0;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < bytes && i < 8; i++)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        number |= (uint64_t)reader->at[i] << (8 * i);
#else
        number = number << 8 | reader->at[i];
#endif
    reader->at += bytes;
    return number;
}

static uint64_t read_uleb(reader_t *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; reader->at < reader->end; shift += 7) {
        unsigned char byte = *reader->at++;
        if (shift < 64)
            number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return number;
}

static int64_t read_sleb(reader_t *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; reader->at < reader->end;) {
        unsigned char byte = *reader->at++;
        if (shift < 64)
            number |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (byte & 0x80)
            continue;
        if ((byte & 0x40) && shift < 64)
            number |= ~(uint64_t)0 << shift;
        break;
    }
    return (int64_t)number;
}

/* A string, which ends in the piece; "" if it does not. */
static const char *read_string(reader_t *reader)
{
    const unsigned char *begin = reader->at;
    const unsigned char *zero =
        begin < reader->end ? memchr(begin, 0, (size_t)(reader->end - begin)) : NULL;
    reader->at = zero ? zero + 1 : reader->end;
    return zero ? (const char *)begin : "";
}

static const char *string_at(const asyncio__section_t *section, uint64_t offset)
{
    if (!section->data || offset >= section->size)
        return "";
    reader_t reader = {section->data + offset, section->data + section->size};
    return read_string(&reader);
}

/* --- the header of a unit ------------------------------------------------------------------ */

typedef struct unit {
    const asyncio__line_sections_t *sections; /* where strings are */
    reader_t tables;                          /* directories and files */
    reader_t program;                         /* behind them */
    unsigned version, offset_bytes;           /* 2 to 5; 4 or 8 */
    unsigned least_bytes;                     /* of an instruction */
    int line_base;                            /* of special opcodes */
    unsigned line_range, opcode_base;         /* likewise */
    const unsigned char *lengths;             /* of the standard opcodes, from 1 */
} unit_t;

/* Reads the header of the next unit: false if it is of a kind that is not known. */
static bool read_header(reader_t *all, const asyncio__line_sections_t *sections, unit_t *unit)
{
    *unit = (unit_t){.sections = sections, .offset_bytes = 4};
    uint64_t length = read_number(all, 4);
    if (length == 0xffffffff) {
        unit->offset_bytes = 8;
        length = read_number(all, 8);
    }
    if (length > (size_t)(all->end - all->at))
        length = (size_t)(all->end - all->at);
    reader_t in = {all->at, all->at + length};
    all->at += length;
    unit->version = (unsigned)read_number(&in, 2);
    if (unit->version < 2 || unit->version > 5)
        return false;
    if (unit->version == 5)
        read_number(&in, 2); /* sizes of addresses and segments */
    uint64_t header_bytes = read_number(&in, unit->offset_bytes);
    if (header_bytes > (size_t)(in.end - in.at))
        return false;
    unit->program = (reader_t){in.at + header_bytes, in.end};
    in.end = unit->program.at;
    unit->least_bytes = (unsigned)read_number(&in, 1);
    if (unit->version >= 4)
        read_number(&in, 1); /* operations of an instruction */
    read_number(&in, 1);     /* whether rows are statements */
    unit->line_base = (signed char)read_number(&in, 1);
    unit->line_range = (unsigned)read_number(&in, 1);
    unit->opcode_base = (unsigned)read_number(&in, 1);
    if (unit->line_range == 0 || unit->opcode_base == 0 ||
        (size_t)(in.end - in.at) < unit->opcode_base - 1)
        return false;
    unit->lengths = in.at - 1;
    in.at += unit->opcode_base - 1;
    unit->tables = in;
    return true;
}

/* An entry of a table: what it is called, and the directory of a file. */
typedef struct entry {
    const char *path;   /* in the mapping */
    uint64_t directory; /* index */
} entry_t;

enum { FORM_DATA2 = 5, FORM_DATA4, FORM_DATA8, FORM_STRING, FORM_BLOCK, FORM_DATA1 = 0xb,
       FORM_STRP = 0xe, FORM_UDATA = 0xf, FORM_DATA16 = 0x1e, FORM_LINE_STRP = 0x1f };
enum { CONTENT_PATH = 1, CONTENT_DIRECTORY = 2 };

static void read_field(const unit_t *unit, reader_t *in, uint64_t content, uint64_t form,
                       entry_t *entry)
{
    const char *path = "";
    uint64_t number = 0;
    switch (form) {
    case FORM_STRING:
        path = read_string(in);
        break;
    case FORM_STRP:
        path = string_at(&unit->sections->str, read_number(in, unit->offset_bytes));
        break;
    case FORM_LINE_STRP:
        path = string_at(&unit->sections->line_str, read_number(in, unit->offset_bytes));
        break;
    case FORM_DATA1:
        number = read_number(in, 1);
        break;
    case FORM_DATA2:
        number = read_number(in, 2);
        break;
    case FORM_DATA4:
        number = read_number(in, 4);
        break;
    case FORM_DATA8:
        number = read_number(in, 8);
        break;
    case FORM_DATA16:
        read_number(in, 16);
        break;
    case FORM_UDATA:
        number = read_uleb(in);
        break;
    case FORM_BLOCK:
        read_number(in, read_uleb(in));
        break;
    default:
        in->at = in->end; /* its length is not known: nothing behind it can be read */
    }
    if (content == CONTENT_PATH)
        entry->path = path;
    else if (content == CONTENT_DIRECTORY)
        entry->directory = number;
}

/* Reads a table of version 5 to its end; its index-th entry, if there is one. */
static bool read_table(const unit_t *unit, reader_t *in, uint64_t index, entry_t *ret_entry)
{
    reader_t formats = *in;
    uint64_t fields = read_number(in, 1);
    formats.at = in->at;
    for (uint64_t i = 0; i < 2 * fields; i++)
        read_uleb(in);
    bool is_found = false;
    uint64_t count = read_uleb(in);
    for (uint64_t i = 0; fields && i < count && in->at < in->end; i++) {
        reader_t format = formats;
        entry_t entry = {"", 0};
        for (uint64_t field = 0; field < fields; field++) {
            uint64_t content = read_uleb(&format);
            read_field(unit, in, content, read_uleb(&format), &entry);
        }
        if (i == index) {
            *ret_entry = entry;
            is_found = true;
        }
    }
    return is_found;
}

/* The same of the versions before: strings, of files with three numbers each, and an empty one. */
static bool read_old_table(reader_t *in, bool of_files, uint64_t index, entry_t *ret_entry)
{
    bool is_found = false;
    for (uint64_t i = 1; in->at < in->end; i++) {
        entry_t entry = {read_string(in), 0};
        if (!*entry.path)
            break;
        if (of_files) {
            entry.directory = read_uleb(in);
            read_uleb(in);
            read_uleb(in);
        }
        if (i == index) {
            *ret_entry = entry;
            is_found = true;
        }
    }
    return is_found;
}

/* Writes the name of a file of the unit. */
static void name_file(const unit_t *unit, uint64_t index, char *ret_file, size_t file_size)
{
    entry_t file = {"", 0}, directory = {"", 0};
    bool has_directory = false;
    reader_t in = unit->tables;
    for (int pass = 0; pass < 2; pass++) { /* the second knows which directory */
        in = unit->tables;
        if (unit->version == 5) {
            has_directory = read_table(unit, &in, file.directory, &directory);
            read_table(unit, &in, index, &file);
        } else {
            has_directory = read_old_table(&in, false, file.directory, &directory);
            read_old_table(&in, true, index, &file);
        }
    }
    /* The first directory is where the compiler ran, which says little. */
    bool is_told = has_directory && file.directory != 0 && *file.path != '/';
    snprintf(ret_file, file_size, "%s%s%s", is_told ? directory.path : "", is_told ? "/" : "",
             file.path);
}

/* --- the program of a unit ----------------------------------------------------------------- */

typedef struct row {
    uint64_t address, file, line;
    bool is_end; /* the first address behind a sequence */
} row_t;

/* An extended opcode; true if it ends the sequence. */
static bool run_extended(reader_t *in, row_t *row)
{
    uint64_t length = read_uleb(in);
    if (length == 0 || length > (size_t)(in->end - in->at))
        return false;
    reader_t operands = {in->at, in->at + length};
    in->at += length;
    switch (read_number(&operands, 1)) {
    case 1:
        row->is_end = true;
        return true;
    case 2:
        row->address = read_number(&operands, (size_t)(operands.end - operands.at));
    }
    return false;
}

/* A standard opcode; true if it makes a row. */
static bool run_standard(const unit_t *unit, reader_t *in, unsigned opcode, row_t *row)
{
    switch (opcode) {
    case 1: /* copy */
        return true;
    case 2: /* advance_pc */
        row->address += read_uleb(in) * unit->least_bytes;
        return false;
    case 3: /* advance_line */
        row->line += (uint64_t)read_sleb(in);
        return false;
    case 4: /* set_file */
        row->file = read_uleb(in);
        return false;
    case 8: /* const_add_pc */
        row->address += (uint64_t)((255 - unit->opcode_base) / unit->line_range) *
                        unit->least_bytes;
        return false;
    case 9: /* fixed_advance_pc */
        row->address += read_number(in, 2);
        return false;
    default: /* of no interest here, or not known: its operands are passed over */
        for (unsigned i = 0; i < unit->lengths[opcode]; i++)
            read_uleb(in);
        return false;
    }
}

/* Runs the program until a row covers the address. */
static bool run(const unit_t *unit, uint64_t address, row_t *ret_row)
{
    const row_t fresh = {.file = 1, .line = 1};
    row_t row = fresh, before = {.is_end = true};
    reader_t in = unit->program;
    while (in.at < in.end) {
        unsigned opcode = (unsigned)read_number(&in, 1);
        bool is_row;
        if (opcode >= unit->opcode_base) {
            opcode -= unit->opcode_base;
            row.address += (uint64_t)(opcode / unit->line_range) * unit->least_bytes;
            row.line += (uint64_t)(int64_t)(unit->line_base + (int)(opcode % unit->line_range));
            is_row = true;
        } else {
            is_row = opcode == 0 ? run_extended(&in, &row)
                                 : run_standard(unit, &in, opcode, &row);
        }
        if (!is_row)
            continue;
        if (!before.is_end && before.address <= address && address < row.address) {
            *ret_row = before;
            return true;
        }
        before = row;
        if (row.is_end)
            row = fresh;
    }
    return false;
}

bool asyncio__line_find(const asyncio__line_sections_t *sections, uint64_t address, char *ret_file,
                        size_t file_size, int *ret_line)
{
    if (!sections->line.data)
        return false;
    reader_t all = {sections->line.data, sections->line.data + sections->line.size};
    while (all.at < all.end) {
        unit_t unit;
        row_t row;
        if (!read_header(&all, sections, &unit) || !run(&unit, address, &row))
            continue;
        name_file(&unit, row.file, ret_file, file_size);
        *ret_line = (int)row.line;
        return *ret_file != '\0';
    }
    return false;
}
