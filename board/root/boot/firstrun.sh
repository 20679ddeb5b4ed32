#!/bin/sh
# Where an Imager that takes the card for Raspberry Pi OS has the kernel's command line call its own script: that is read as settings
# instead, and the box is started anew.
exec /usr/libexec/soundpost/settings
