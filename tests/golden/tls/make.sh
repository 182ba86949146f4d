#!/usr/bin/env bash
# Makes the certificates and stores of this folder with Java's keytool and openssl. They are for tests alone: their keys
# are public. Run it when a test needs another one; the tests themselves need neither program for most of them.
set -euo pipefail
cd "$(dirname "$0")"
rm -f ./*.pem ./*.key ./*.jks ./*.jceks ./*.p12
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
long=(-startdate "2020/01/01 00:00:00" -validity 36500)
past=(-startdate "2020/01/01 00:00:00" -validity 30)
key=(-keyalg EC -groupname secp256r1 -storepass changeit -keypass changeit)

# authority NAME: a CA in $work/NAME.p12 and its certificate in NAME.pem
authority() {
    keytool -genkeypair -keystore "$work/$1.p12" -alias ca "${key[@]}" "${long[@]}" -dname "CN=test $1" \
        -ext bc:c -ext ku:c=keyCertSign,cRLSign
    keytool -exportcert -rfc -keystore "$work/$1.p12" -alias ca -storepass changeit >"$1.pem"
}

# certified NAME VALIDITY... -- EXT...: key and certificate by "ca" in NAME.pem (both)
certified() {
    local name="$1" life=()
    shift
    while [ "$1" != -- ]; do life+=("$1"); shift; done
    shift
    keytool -genkeypair -keystore "$work/$name.p12" -alias own "${key[@]}" "${life[@]}" -dname "CN=test $name"
    keytool -certreq -keystore "$work/$name.p12" -alias own -storepass changeit |
        keytool -gencert -rfc -keystore "$work/ca.p12" -alias ca -storepass changeit "${life[@]}" "$@" >"$work/$name.crt"
    openssl pkcs12 -in "$work/$name.p12" -passin pass:changeit -nodes -nocerts |
        sed -n '/BEGIN PRIVATE KEY/,/END PRIVATE KEY/p' >"$work/$name.key"
    cat "$work/$name.key" "$work/$name.crt" >"$name.pem"
}

authority ca
authority other-ca
certified server "${long[@]}" -- -ext san=dns:localhost -ext eku=serverAuth
certified expired "${past[@]}" -- -ext san=dns:localhost -ext eku=serverAuth
certified client "${long[@]}" -- -ext eku=clientAuth
openssl pkey -in "$work/client.key" -aes256 -passout pass:changeit -out encrypted.key

trust() { keytool -importcert -noprompt -keystore "$2" -storetype "$1" -storepass changeit -alias ca -file ca.pem; }
trust jks truststore.jks
trust jceks truststore.jceks
trust pkcs12 truststore.p12
keytool -importkeystore -srckeystore "$work/server.p12" -srcstoretype pkcs12 -srcstorepass changeit \
    -destkeystore keys-only.jks -deststoretype jks -deststorepass changeit
cp keys-only.jks keys-and-ca.jks
trust jks keys-and-ca.jks
