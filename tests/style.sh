#!/bin/sh
# style.sh - the sizes the tree keeps: files of at most 600 lines; lines of at most 100 columns in C
# and SQL, 132 elsewhere; functions of at most 60 lines between their braces. Prints what is longer,
# and how long functions are; exit 1 when something is longer.
set -u
cd "$(dirname "$0")/.." || exit 1
find . -path ./build -prune -o -path ./.git -prune -o -type f \( -name '*.[ch]' -o -name '*.sh' \
    -o -name '*.py' -o -name '*.awk' -o -name '*.sql' -o -name '*.mk' -o -name Makefile \) -print |
    LC_ALL=C sort | LC_ALL=C xargs awk '
    function complain(what) { print what; bad = 1 }
    function end_of_file() {
        if (last > 600)
            complain(name ": " last " lines")
    }
    FNR == 1 {
        end_of_file()
        name = substr(FILENAME, 3)
        is_c = name ~ /\.[ch]$/
        columns = name ~ /\.([ch]|sql)$/ ? 100 : 132
        start = 0
    }
    {
        last = FNR
        line = $0
        gsub(/[\200-\277]/, "", line) # octets of a character in UTF-8 after its first
        if (length(line) > columns)
            complain(name ":" FNR ": " length(line) " columns")
    }
    is_c && /^[a-zA-Z].*\(/ {
        function_name = $0
        sub(/\(.*/, "", function_name)
        sub(/.*[ *]/, "", function_name)
    }
    is_c && /^\{$/ { start = FNR }
    is_c && /^\}/ && start {
        length_of[FNR - start - 1]++
        functions++
        if (FNR - start - 1 > 60)
            complain(name ":" start ": " function_name "() has " FNR - start - 1 " lines")
        start = 0
    }
    END {
        end_of_file()
        for (lines = 0; sum < functions * 0.9; lines++) {
            sum += length_of[lines]
            if (sum < functions / 2)
                median = lines + 1
        }
        printf "style: %d functions, half of at most %d lines, nine in ten of at most %d\n",
               functions, median, lines - 1
        exit bad
    }'
