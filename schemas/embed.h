/* embed.h - files of schemas/ and wsdl/ as the programs carry them (made by embed.awk at build). */
#ifndef WEIR_EMBED_H
#define WEIR_EMBED_H

struct embedded {
    const char *name; /* file name without folder; NULL ends the table */
    const char *text;
};
extern const struct embedded migrations[]; /* schemas/sql, in numeric order */
extern const struct embedded documents[];  /* wsdl and schemas/xsd */

#endif
