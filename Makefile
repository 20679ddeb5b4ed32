# soundpost: `make run` records on a bare Debian 12 machine with Rust; `make` alone lists everything.
# The tools of the tests are Debian packages; `make setup` (and every target that needs them) installs what is missing.

CARGO        ?= cargo
export CARGO_TERM_COLOR ?= auto

# What the build needs, what the tests compare against, what the benchmarks run beside us.
BUILD_PACKAGES = pkg-config libasound2-dev cmake g++ make
TEST_PACKAGES  = gcc wget python3 python3-numpy python3-soundfile python3-venv time openssl curl mosquitto mosquitto-clients vorbis-tools opus-tools icecast2 ezstream libshout-tools ices2 mpg123 mpv flac ffmpeg sox sndfile-programs alsa-utils pulseaudio libasound2-plugins strace util-linux iproute2 chrony gpsd gpsd-clients mount chromium rclone nginx-light $(NODE_PACKAGES)
# Debian 12's own Node (18) will do; where there is another, it is used.
NODE_PACKAGES := $(shell command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm)
FUZZ_SECONDS  ?= 60
# armv7-unknown-linux-gnueabihf or aarch64-unknown-linux-gnu
TARGET        ?= armv7-unknown-linux-gnueabihf

.DEFAULT_GOAL := help
.PHONY: help run test page-test check bench soak fuzz cross msrv rig-test deb deb-test image board-test container container-test doc setup setup-build clean fmt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup-build ## record the built-in soundscape into ./recordings, no hardware needed (ctrl-c ends it)
	$(CARGO) build --release --locked
	./target/release/soundpost record --demo

test: setup ## every test: pure code, real tools, real ALSA, kills, power cuts, the page in a browser (one optimised build, JOBS=1: one by one)
	sh board/tests.sh $(JOBS)

page-test: setup ## only the page in headless Chromium, every function clicked or typed; pictures are put into target/screenshots
	$(CARGO) test --profile proof --locked --test page --test field_day -- --nocapture

check: setup-build fmt doc test ## formatting, lints, documentation, then every test
	$(CARGO) clippy --profile proof --all-targets --locked -- -D warnings

fmt: ## formatting, checked
	$(CARGO) fmt --check

bench: setup ## the figures, each beside a peer in the same run (about half an hour)
	$(CARGO) bench --locked --bench figures

soak: setup ## the long ones: 200 kills twice, 4,000 faults of stations, hours of sound, ten minutes of attacks, ten of 1,000 listeners (about an hour)
	SOUNDPOST_SOAK=1 $(CARGO) test --profile proof --locked --test crash --test soak --test station_faults --test station_kills --test http_beside --test listeners -- --nocapture

fuzz: setup-build ## cargo-fuzz over every parser (nightly), FUZZ_SECONDS each; begins with tests/data and what was found before
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked
	@for target in $$(cd fuzz && ls targets | sed 's/\.rs$$//'); do mkdir -p fuzz/corpus/$$target; \
	  $(CARGO) +nightly fuzz run -s none $$target fuzz/corpus/$$target tests/data/$$target -- -max_len=16384 -max_total_time=$(FUZZ_SECONDS) || exit 1; done

cross: ## the board's binary (TARGET=..., armv7 by default) by cross, rustup or Debian's packages alone; checked, and tried under qemu-user
	sh board/cross.sh build $(TARGET)
	sh board/cross.sh check $(TARGET)
	sh board/cross.sh test $(TARGET)

msrv: setup-build ## everything compiles with the oldest Rust that is promised, which is Debian 12's
	sh board/msrv.sh

rig-test: setup-build ## the board's binary for armv7, built and tried, then a few seconds of a virtual board that records bit for bit
	sh board/cross.sh build armv7-unknown-linux-gnueabihf
	sh board/cross.sh check armv7-unknown-linux-gnueabihf
	sh board/rig_test.sh armv7-unknown-linux-gnueabihf

deb: setup-build ## the Debian package of this machine's architecture (TARGET=... for a board's) into target/deb, lintian-clean
	sh board/deb.sh $(if $(filter command line environment,$(origin TARGET)),$(TARGET),x86_64-unknown-linux-gnu)

deb-test: setup-build ## the package in a bare Debian 12: installs, records, is upgraded, goes, and no recording is lost (as root)
	sh board/deb_test.sh

image: setup-build ## the SD-card image for Zero 2 W, Pi 2, 3 and 4 into target/board (as root; a quarter of an hour the first time)
	sh board/image.sh

board-test: rig-test ## the board in a virtual one: recording bit for bit, power cuts, USB, the image's start, network, updates (as root)
	sh board/rig_test.sh armv7-unknown-linux-gnueabihf usb
	sh board/rig_power.sh
	sh board/rig_cost.sh
	sh board/image.sh
	sh board/boot_test.sh

container: setup-build ## an OCI image for Docker and Podman into target/container, without an engine (as root)
	sh board/container.sh

container-test: setup-build ## that image started from its own command line: it records, shows its page, closes its files (as root)
	sh board/container_test.sh

doc: ## the architecture, as HTML
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --profile proof --no-deps --locked --document-private-items

setup: ## install every Debian package that building and testing need
	@sh board/packages.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)

setup-build:
	@sh board/packages.sh $(BUILD_PACKAGES)

clean: ## remove what was built; recordings stay
	$(CARGO) clean
