# ietable.awk - turns the lists of information elements into build/gen/ie_table.c (see ie_table.h).
#
#   awk -f ietable.awk ipfix-elements.csv ipfix-not-reversible.csv ipfix-enterprise-elements.csv weir-elements.csv
#
# The order of the files matters twice: reverse elements (RFC 5103) are derived from the IANA rows
# after the exceptions are known, and a row that an earlier file has is not taken again.
# Plain POSIX awk (mawk): no asort, no bit operations; numbers stay below 2^53, where they are exact.

BEGIN {
    FS = ","
    WEIR_PEN = 4294967295
    REVERSE_PEN = 29305
    SLOTS = 16384
    split("octetarray unsigned8 unsigned16 unsigned32 unsigned64 signed8 signed16 signed32 signed64 " \
          "float32 float64 boolean macaddress string datetimeseconds datetimemilliseconds " \
          "datetimemicroseconds datetimenanoseconds ipv4address ipv6address basiclist " \
          "subtemplatelist subtemplatemultilist unsigned256", names, " ")
    for (i in names)
        type_number[names[i]] = i - 1
    # Spellings of the vendors' lists. A bare "unsigned" has a length of its own in each template.
    type_number["unsigned"] = type_number["unsigned64"]
    type_number["proto"] = type_number["unsigned8"]
    type_number["uint15"] = type_number["unsigned16"]
    type_number["hex"] = type_number["ipaddress"] = type_number[""] = 0
}

FNR == 1 {
    if ($0 ~ /^pen,organisation,elementId,name,/)
        file = "enterprise"
    else if ($0 == "elementId,name")
        file = "exceptions"
    else if ($0 ~ /^elementId,name,abstractDataType,dataTypeSemantics,units,rangeLow/)
        file = "iana"
    else if ($0 ~ /^elementId,name,abstractDataType,dataTypeSemantics,units$/)
        file = "weir"
    else
        fail("unknown heading")
    next
}
{ sub(/\r$/, "") }
file == "iana" { add(0, $1, $2, $3, $4, $5, "IANA") }
file == "exceptions" { irreversible[$1] = 1 }
file == "enterprise" && $1 != REVERSE_PEN { add($1, $3, $4, $5, $6, $7, "ENTERPRISE") }
file == "weir" { add(WEIR_PEN, $1, $2, $3, $4, $5, "WEIR") }

END {
    if (failed)
        exit 1
    derive_reverse()
    sort_rows()
    fill_slots()
    emit()
}

function fail(message) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, message, $0 > "/dev/stderr"
    failed = 1
    exit 1
}

function add(pen, id, name, type, semantics, units, registry,   key) {
    if (id !~ /^[0-9]+$/ || id > 65535 || !(pen >= 0 && pen <= 4294967295))
        fail("bad number")
    if (!(tolower(type) in type_number))
        fail("unknown type")
    if (name == "" || name ~ /["\\#]/)
        fail("bad name")
    # Of fixed length, so that the order of texts is the order of numbers.
    key = sprintf("%010.0f %05d", pen, id)
    if (key in row_name)
        return
    keys[++count] = key
    row_pen[key] = pen
    row_id[key] = id + 0
    row_name[key] = name
    row_type[key] = type_number[tolower(type)]
    row_semantics[key] = semantics
    row_units[key] = units
    row_registry[key] = registry
}

function derive_reverse(   i, n, k, name) {
    n = count
    for (i = 1; i <= n; i++) {
        k = keys[i]
        if (row_registry[k] != "IANA" || row_id[k] in irreversible)
            continue
        name = row_name[k]
        name = "reverse" toupper(substr(name, 1, 1)) substr(name, 2)
        add_derived(k, name)
    }
}

function add_derived(k, name,   key) {
    key = sprintf("%010.0f %05d", REVERSE_PEN, row_id[k])
    keys[++count] = key
    row_pen[key] = REVERSE_PEN
    row_id[key] = row_id[k]
    row_name[key] = name
    row_type[key] = row_type[k]
    row_semantics[key] = row_semantics[k]
    row_units[key] = row_units[k]
    row_registry[key] = "REVERSE"
}

# Merge sort of list[low..high], as texts.
function merge_sort(list, low, high,   middle, i, j, k) {
    if (low >= high)
        return
    middle = int((low + high) / 2)
    merge_sort(list, low, middle)
    merge_sort(list, middle + 1, high)
    i = low
    j = middle + 1
    for (k = low; k <= high; k++) {
        if (j > high || (i <= middle && (list[i] "") <= (list[j] "")))
            scratch[k] = list[i++]
        else
            scratch[k] = list[j++]
    }
    for (k = low; k <= high; k++)
        list[k] = scratch[k]
}

# By (pen, id) for the table; by name, standard registries first, for the index of names.
function sort_rows(   i, k, rank) {
    rank["IANA"] = 0
    rank["WEIR"] = 1
    rank["REVERSE"] = 2
    rank["ENTERPRISE"] = 3
    merge_sort(keys, 1, count)
    for (i = 1; i <= count; i++) {
        k = keys[i]
        by_name[i] = tolower(row_name[k]) "\001" rank[row_registry[k]] sprintf("%05d", i - 1)
    }
    merge_sort(by_name, 1, count)
}

# Open addressing with linear probing; the same arithmetic as ie_slot_of() in ie_table.h.
function fill_slots(   i, k, slot) {
    if (count * 2 > SLOTS)
        fail("too many elements for the hash")
    for (i = 1; i <= count; i++) {
        k = keys[i]
        slot = (row_pen[k] * 7919 + row_id[k] * 101) % SLOTS
        while (slot in slots)
            slot = (slot + 1) % SLOTS
        slots[slot] = i
    }
}

function emit(   i, k) {
    print "/* Made by lib/ie/ietable.awk; change the lists beside it, not this file. */"
    print "#include \"ie/ie_table.h\"\n"
    printf "const size_t ie_table_count = %d;\nconst struct ie ie_table[%d] = {\n", count, count
    for (i = 1; i <= count; i++) {
        k = keys[i]
        printf "    {%.0fu, %d, %d, IE_REGISTRY_%s, \"%s\", \"%s\", \"%s\"},\n", row_pen[k], row_id[k],
               row_type[k], row_registry[k], row_name[k], row_semantics[k], row_units[k]
    }
    printf "};\nconst uint16_t ie_by_name[%d] = {", count
    for (i = 1; i <= count; i++)
        printf "%s%d,", (i % 16 == 1 ? "\n    " : " "), substr(by_name[i], length(by_name[i]) - 4) + 0
    print "\n};\nconst uint16_t ie_slots[IE_SLOTS] = {"
    for (i = 0; i < SLOTS; i++)
        if (i in slots)
            printf "    [%d] = %d,\n", i, slots[i]
    print "};"
}
