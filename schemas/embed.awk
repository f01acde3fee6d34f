# embed.awk - text files as a C table, so that a program carries its contracts with it.
#   awk -f embed.awk -v table=NAME FILE…  >  NAME.c
# Gives: const struct embedded NAME[] (see embed.h), in argument order, ended by a row of zeros.
function quote(s) {
    gsub(/\\/, "\\\\", s)
    gsub(/"/, "\\\"", s)
    gsub(/\?/, "\\?", s)
    gsub(/\r/, "", s)
    return s
}
BEGIN { print "#include \"embed.h\"\n#include <stddef.h>\nconst struct embedded " table "[] = {" }
FNR == 1 {
    if (NR != 1)
        print "    },"
    name = FILENAME
    sub(/.*\//, "", name)
    print "    {\"" name "\","
}
{ print "     \"" quote($0) "\\n\"" }
END {
    if (NR)
        print "    },"
    print "    {NULL, NULL},\n};"
}
