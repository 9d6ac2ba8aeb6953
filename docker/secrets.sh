#!/bin/sh
# Gives each secret that is not there yet a random value that only the user of the containers can read.
set -eu
umask 077
for name in db_password dashboard_password ray_token; do
    [ -s "/secrets/$name" ] && continue
    new=$(mktemp "/secrets/.$name.XXXXXX")
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$new"
    chmod 0400 "$new"
    sync "$new"
    mv -n "$new" "/secrets/$name" # at once, and never over another one
    rm -f "$new"
done
