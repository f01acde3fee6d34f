# soap.mk - gSOAP code, generated at build, one service at a time (filled in by the services room).
SOAP_HEADERS    =
SOAP_SERVER_OBJ =
SOAP_CLIENT_OBJ =
SOAP_FLAGS_services =
SOAP_FLAGS_clients =
SOAP_FLAGS_tests =
