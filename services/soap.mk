# soap.mk - gSOAP code, made at build from wsdl/ and never committed, one service at a time.
#
#   wsdl/NAME.wsdl + schemas/xsd ──wsdl2h──▶ build/soap/PFX.h ──soapcpp2──▶ PFXStub.h PFXServerLib.c PFXClientLib.c
#   services/env.h ────────────────────────────────────────────soapcpp2──▶ envH.h envC.c   (once, global)
#
# Every service's code is static (-DWITH_NOGLOBAL), so a program links only the servers it plays and the
# clients it needs. A new service is a row of SOAP_SERVICES, and a line in services/typemap.dat.
#
# To serve:  #include "dbStub.h" and define the handlers  int __db__Op(struct soap *, request, answer).
# To call (services and clients alike):
#     #include "dbStub.h"            // or colStub.h: one of them a source file, they share type names
#     #include "db.nsmap"            // in one source file of the program: db_namespaces[]
#     #include "envelope.h"          // envelope_fault_read(): a fault's code, field and message
#     struct soap *s = soap_new2(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE,
#                                SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | SOAP_XML_TREE);
#     soap_set_namespaces(s, db_namespaces);
#     soap_set_version(s, 1);        // SOAP 1.1; gSOAP's clients speak 1.2 otherwise
#     s->connect_timeout = 5; s->recv_timeout = s->send_timeout = 60; s->socket_flags = MSG_NOSIGNAL;
#     struct _db__GetAccount q = {.from = …, .to = …}; struct _db__GetAccountResponse a;
#     if (soap_call___db__GetAccount(s, url, NULL, &q, &a)) … envelope_fault_read(s, &fault) …
#     soap_destroy(s); soap_end(s);  // frees the answer; soap_free(s) at the end
# db_namespaces and soap_call___db__* are declared in build/soap/db.nsmap and dbStub.h.

SOAP_DIR      = $(BUILD)/soap
# WSDL:prefix
SOAP_SERVICES = db:db collector:col
SOAP_PREFIXES = $(foreach s,$(SOAP_SERVICES),$(word 2,$(subst :, ,$(s))))

SOAP_HEADERS  = $(SOAP_DIR)/envH.h $(SOAP_DIR)/envelope.h $(SOAP_PREFIXES:%=$(SOAP_DIR)/%Stub.h)
SOAP_SERVER_OBJ = $(SOAP_DIR)/envC.o $(SOAP_PREFIXES:%=$(SOAP_DIR)/%ServerLib.o) $(SOAP_DIR)/dbClientLib.o
# The clients' side: envelope.o is services/envelope.c, which both sides share.
SOAP_CLIENT_OBJ = $(SOAP_DIR)/envC.o $(SOAP_PREFIXES:%=$(SOAP_DIR)/%ClientLib.o) $(BUILD)/obj/services/envelope.o

# The flags must be those Debian's library was built with, or struct soap differs.
SOAP_CFLAGS   = -DWITH_NOGLOBAL -DWITH_IPV6 -DWITH_DOM -isystem $(SOAP_DIR)
SOAP_FLAGS_services = $(SOAP_CFLAGS)
SOAP_FLAGS_clients  = $(SOAP_CFLAGS)
SOAP_FLAGS_tests    = $(SOAP_CFLAGS)

# As needed: the library leaves the envelope's functions to the program, so a test that uses none of the
# SOAP units would not link.
LIBS_soap     = -Wl,--as-needed -lgsoap

SOAP_WSDL2H   = wsdl2h -c -L -x -P -y -j -t services/typemap.dat
SOAP_SOAPCPP2 = soapcpp2 -c -x -w -n
# The generators talk much; what they say is shown when they fail.
soap_quietly  = $(1) > $(SOAP_DIR)/$(<F).log 2>&1 || { cat $(SOAP_DIR)/$(<F).log; exit 1; }

# One run makes all files of a service: grouped targets (&:) keep a parallel make from running it twice.
define soap_service
$$(SOAP_DIR)/$(2)Stub.h $$(SOAP_DIR)/$(2).nsmap $$(SOAP_DIR)/$(2)ServerLib.c $$(SOAP_DIR)/$(2)ClientLib.c &: \
		wsdl/$(1).wsdl schemas/xsd/weir-types.xsd services/typemap.dat
	@mkdir -p $$(SOAP_DIR)
	$$(call say,GEN)$$(call soap_quietly,$$(SOAP_WSDL2H) -o $$(SOAP_DIR)/$(2).h $$<)
	$$(hush)$$(call soap_quietly,$$(SOAP_SOAPCPP2) -p$(2) -d$$(SOAP_DIR) $$(SOAP_DIR)/$(2).h)
$$(SOAP_DIR)/$(2)ServerLib.o: $$(SOAP_DIR)/$(2)ServerLib.c
$$(SOAP_DIR)/$(2)ClientLib.o: $$(SOAP_DIR)/$(2)ClientLib.c
endef
$(foreach s,$(SOAP_SERVICES),$(eval $(call soap_service,$(word 1,$(subst :, ,$(s))),$(word 2,$(subst :, ,$(s))))))

$(SOAP_DIR)/envH.h $(SOAP_DIR)/envC.c $(SOAP_DIR)/wt.nsmap &: services/env.h
	@mkdir -p $(SOAP_DIR)
	$(call say,GEN)$(call soap_quietly,soapcpp2 -c -L -x -w -penv -d$(SOAP_DIR) $<)
# A copy, so that clients/ needs no -I into services/.
$(SOAP_DIR)/envelope.h: services/envelope.h
	@mkdir -p $(SOAP_DIR)
	$(hush)cp $< $@

$(SOAP_DIR)/envC.o: $(SOAP_DIR)/envC.c
	$(call say,CC)$(CC) $(FOREIGN) $(filter-out -DWITH_NOGLOBAL,$(SOAP_CFLAGS)) -c -o $@ $<
$(SOAP_PREFIXES:%=$(SOAP_DIR)/%ServerLib.o): SOAP_CFLAGS += -DWEIR_SERVER
$(SOAP_DIR)/%Lib.o: $(SOAP_DIR)/%Lib.c services/generated_prelude.h
	$(call say,CC)$(CC) $(FOREIGN) $(SOAP_CFLAGS) -include services/generated_prelude.h -c -o $@ $<

# Fuzz targets of this room's parsers, which know no gSOAP.
FUZZ_SERVICES = http_head tag_scan mime chunks
$(foreach f,$(FUZZ_SERVICES),\
  $(eval $(BUILD)/tests/fuzz/fuzz_$(f) $(BUILD)/fuzzers/fuzz_$(f): $(BUILD)/obj/services/$(f).o))
