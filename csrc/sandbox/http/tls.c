/* Keys and certificates, by GnuTLS. */

#include "sandbox/http/tls.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>

#include "engine/files.h"
#include "sandbox/http/secret.h"

#define DAY (24 * 60 * 60)
#define AUTHORITY "camb sandbox authority"

/* A key and its certificate.  GnuTLS's own types are pointers. */
typedef struct Identity {
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t crt;
} Identity;

static int identity_init (Identity *i) {
  int e = gnutls_x509_privkey_init(&i->key);
  return e < 0 ? e : gnutls_x509_crt_init(&i->crt);
}

static void identity_clear (Identity *i) {
  if (i->key != NULL)
    gnutls_x509_privkey_deinit(i->key);
  if (i->crt != NULL)
    gnutls_x509_crt_deinit(i->crt);
}

static int fill_common (Identity *i, const char *name, time_t from,
                        time_t until) {
  unsigned char serial[16], id[64];
  size_t n = sizeof id;
  int e = gnutls_x509_privkey_generate2(
    i->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
    0, NULL, 0);
  if (e < 0 || !secret_random(serial, sizeof serial))
    return e < 0 ? e : GNUTLS_E_RANDOM_FAILED;
  serial[0] = (serial[0] & 0x7f) | 1; /* positive, in as few bytes as it has */
  gnutls_x509_crt_set_version(i->crt, 3);
  gnutls_x509_crt_set_serial(i->crt, serial, sizeof serial);
  gnutls_x509_crt_set_activation_time(i->crt, from);
  gnutls_x509_crt_set_expiration_time(i->crt, until);
  gnutls_x509_crt_set_dn_by_oid(i->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                (unsigned)strlen(name));
  e = gnutls_x509_crt_set_key(i->crt, i->key);
  if (e >= 0)
    e = gnutls_x509_crt_get_key_id(i->crt, 0, id, &n);
  return e < 0 ? e : gnutls_x509_crt_set_subject_key_id(i->crt, id, n);
}

static int sign (const Identity *i, const Identity *by) {
  unsigned char id[64];
  size_t n = sizeof id;
  int e = gnutls_x509_crt_get_subject_key_id(by->crt, id, &n, NULL);
  if (e >= 0)
    e = gnutls_x509_crt_set_authority_key_id(i->crt, id, n);
  return e < 0 ? e
               : gnutls_x509_crt_sign2(i->crt, by->crt, by->key,
                                       GNUTLS_DIG_SHA256, 0);
}

static int make_authority (Identity *ca) {
  const time_t now = time(NULL);
  int e = fill_common(ca, AUTHORITY, now - DAY, now + 3650L * DAY);
  if (e >= 0)
    e = gnutls_x509_crt_set_basic_constraints(ca->crt, 1, 0);
  if (e >= 0)
    e = gnutls_x509_crt_set_key_usage(ca->crt, GNUTLS_KEY_KEY_CERT_SIGN |
                                                 GNUTLS_KEY_CRL_SIGN);
  return e < 0 ? e : sign(ca, ca);
}

static int add_name (gnutls_x509_crt_t crt, const char *name) {
  struct in_addr four;
  struct in6_addr six;
  const unsigned flags = GNUTLS_FSAN_APPEND;
  if (inet_pton(AF_INET, name, &four) == 1)
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS,
                                                &four, sizeof four, flags);
  if (inet_pton(AF_INET6, name, &six) == 1)
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &six,
                                                sizeof six, flags);
  return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                              (unsigned)strlen(name), flags);
}

static int add_names (gnutls_x509_crt_t crt, const TlsOptions *o) {
  const char *names[] = {"localhost", "127.0.0.1", "::1", o->address};
  int e = 0;
  if (o->name != NULL)
    return add_name(crt, o->name);
  for (size_t i = 0; e >= 0 && i < sizeof names / sizeof names[0]; i++)
    e = add_name(crt, names[i]);
  return e;
}

static int make_server (Identity *server, const Identity *ca,
                        const TlsOptions *o) {
  const time_t now = time(NULL);
  int e = fill_common(server, o->name != NULL ? o->name : "localhost",
                      now - (o->expired ? 30 : 1) * (time_t)DAY,
                      now + (o->expired ? -1 : 365) * (time_t)DAY);
  if (e >= 0)
    e = gnutls_x509_crt_set_basic_constraints(server->crt, 0, -1);
  if (e >= 0)
    e =
      gnutls_x509_crt_set_key_usage(server->crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
  if (e >= 0)
    e = gnutls_x509_crt_set_key_purpose_oid(server->crt,
                                            GNUTLS_KP_TLS_WWW_SERVER, 0);
  if (e >= 0)
    e = add_names(server->crt, o);
  return e < 0 ? e : sign(server, o->self_signed ? server : ca);
}

/* False when there is none, or none that can be used. */
static bool load_authority (Identity *ca, const char *crt_path,
                            const char *key_path) {
  gnutls_datum_t crt = {NULL, 0}, key = {NULL, 0};
  bool ok =
    gnutls_load_file(crt_path, &crt) >= 0 &&
    gnutls_load_file(key_path, &key) >= 0 &&
    gnutls_x509_crt_import(ca->crt, &crt, GNUTLS_X509_FMT_PEM) >= 0 &&
    gnutls_x509_privkey_import(ca->key, &key, GNUTLS_X509_FMT_PEM) >= 0 &&
    gnutls_x509_crt_get_expiration_time(ca->crt) > time(NULL) + DAY;
  gnutls_free(crt.data);
  gnutls_free(key.data);
  return ok;
}

static int save_authority (const Identity *ca, const char *folder) {
  gnutls_datum_t crt = {NULL, 0}, key = {NULL, 0};
  int e = gnutls_x509_crt_export2(ca->crt, GNUTLS_X509_FMT_PEM, &crt);
  if (e >= 0)
    e = gnutls_x509_privkey_export2(ca->key, GNUTLS_X509_FMT_PEM, &key);
  if (e >= 0 &&
      (files_replace(folder, "ca-key.pem", key.data, key.size, true) != 0 ||
       files_replace(folder, "ca.pem", crt.data, crt.size, true) != 0))
    e = GNUTLS_E_FILE_ERROR;
  gnutls_free(crt.data);
  gnutls_free(key.data);
  return e;
}

/* An authority that is not a sandbox's must not be replaced. */
static bool may_replace (const Identity *ca, const char *crt_path,
                         const char *key_path) {
  char name[64];
  size_t n = sizeof name;
  if (access(crt_path, F_OK) != 0 && access(key_path, F_OK) != 0)
    return true;
  return gnutls_x509_crt_get_dn_by_oid(ca->crt, GNUTLS_OID_X520_COMMON_NAME, 0,
                                       0, name, &n) >= 0 &&
         strcmp(name, AUTHORITY) == 0;
}

/* What a failed import left in it is of no use. */
static int renew (Identity *ca, const char *folder) {
  int e;
  identity_clear(ca);
  memset(ca, 0, sizeof *ca);
  e = identity_init(ca);
  if (e >= 0)
    e = make_authority(ca);
  return e < 0 ? e : save_authority(ca, folder);
}

static int copy_pem (char **out, const gnutls_datum_t *pem) {
  *out = strndup((const char *)pem->data, pem->size);
  return *out == NULL ? GNUTLS_E_MEMORY_ERROR : 0;
}

static int export_server (Tls *t, const Identity *server) {
  gnutls_datum_t crt = {NULL, 0}, key = {NULL, 0};
  int e = gnutls_x509_crt_export2(server->crt, GNUTLS_X509_FMT_PEM, &crt);
  if (e >= 0)
    e = gnutls_x509_privkey_export2(server->key, GNUTLS_X509_FMT_PEM, &key);
  if (e >= 0)
    e = copy_pem(&t->certificate, &crt);
  if (e >= 0)
    e = copy_pem(&t->key, &key);
  gnutls_free(crt.data);
  gnutls_free(key.data);
  return e;
}

static int make (Tls *t, const char *folder, const TlsOptions *o) {
  Identity ca = {NULL, NULL}, server = {NULL, NULL};
  char *key_file = files_join(folder, "ca-key.pem");
  int e = GNUTLS_E_MEMORY_ERROR;
  t->ca_file = files_join(folder, "ca.pem");
  if (t->ca_file != NULL && key_file != NULL)
    e = identity_init(&ca);
  if (e >= 0 && !load_authority(&ca, t->ca_file, key_file))
    e = may_replace(&ca, t->ca_file, key_file) ? renew(&ca, folder)
                                               : GNUTLS_E_CERTIFICATE_ERROR;
  if (e >= 0)
    e = identity_init(&server);
  if (e >= 0)
    e = make_server(&server, &ca, o);
  if (e >= 0)
    e = export_server(t, &server);
  identity_clear(&ca);
  identity_clear(&server);
  free(key_file);
  return e;
}

bool tls_make (Tls *t, const char *folder, const TlsOptions *o, Failure *why) {
  int e;
  if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
    return fail(why, "network", "this libmicrohttpd was built without TLS");
  t->priorities = o->old ? "NORMAL:-VERS-ALL:+VERS-TLS1.1" : "NORMAL";
  e = make(t, folder, o);
  if (e == GNUTLS_E_CERTIFICATE_ERROR)
    return fail(why, "file",
                "the files ca.pem and ca-key.pem in '%s' are not a sandbox's, "
                "or cannot be read: choose another folder",
                folder);
  if (e < 0)
    return fail(why, "file", "cannot make a certificate in '%s': %s", folder,
                gnutls_strerror(e));
  return true;
}

void tls_clear (Tls *t) {
  free(t->ca_file);
  free(t->key);
  free(t->certificate);
  memset(t, 0, sizeof *t);
}
