#!/bin/sh
# Makes the seeds of streams in this folder anew: half a second of a synthesised tone in every coding, each file a few KiB.
# Needs ffmpeg and flac. Run it in tests/data. Encoders differ from version to version, and so may the bytes.
set -eu
cd "$(dirname "$0")"
mkdir -p ogg mp3 adts flac_stream sniff icy playlist hls mpegts fmp4 id3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# tone FILE SECONDS HZ CHANNELS OPTIONS…
tone() {
    file=$1 seconds=$2 hz=$3 channels=$4
    shift 4
    ffmpeg -v error -y -f lavfi -i "aevalsrc=0.4*sin(1500*t*(1+t))+0.1*random(0):d=$seconds:s=$hz" -ac "$channels" \
        -map_metadata -1 -fflags +bitexact -flags:a +bitexact "$@" "$file"
}

tone mp3/reservoir.mp3 0.6 22050 1 -c:a libmp3lame -b:a 32k -write_xing 0 -id3v2_version 0
tone mp3/tags.mp3 0.3 44100 2 -c:a libmp3lame -b:a 64k -metadata title=Tone -metadata artist=Hut -write_id3v1 1
tone mp3/vbr.mp3 0.4 16000 1 -c:a libmp3lame -q:a 6
tone adts/mono.aac 0.6 22050 1 -c:a aac -b:a 24k -f adts
tone adts/stereo.aac 0.2 48000 2 -c:a aac -b:a 96k -f adts
tone ogg/opus.opus 0.5 48000 1 -c:a libopus -b:a 12k -page_duration 100000
tone ogg/flac.ogg 0.1 8000 1 -c:a flac -f ogg
tone ogg/vorbis.ogg 0.4 8000 1 -c:a libvorbis -q:a 0
cat ogg/opus.opus ogg/flac.ogg >ogg/chain.ogg
tone "$tmp/tone.wav" 0.25 8000 1 -c:a pcm_s16le
flac --silent -f --lax -5 -b 256 --no-padding --no-seektable -o flac_stream/plain.flac "$tmp/tone.wav"
flac --silent -f --lax -0 -b 192 -T TITLE=tone -P 64 -o flac_stream/comment.flac "$tmp/tone.wav"
tail -c 2000 flac_stream/plain.flac >flac_stream/joined.flac
cp mp3/reservoir.mp3 sniff/frames.mp3
head -c 300 ogg/opus.opus >sniff/page.ogg
printf '<?xml version="1.0"?>\n<html><title>404</title></html>\n' >sniff/page.html
printf 'RIFF\0\0\0\0WAVEfmt ' >sniff/file.wav
tone mpegts/aac.ts 0.3 22050 1 -c:a aac -b:a 16k -f mpegts
tone mpegts/mp3.ts 0.3 22050 1 -c:a libmp3lame -b:a 16k -f mpegts
cp mpegts/aac.ts sniff/packets.ts
tone fmp4/aac.mp4 0.4 22050 1 -c:a aac -b:a 16k -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 150000
tone fmp4/mp3.mp4 0.4 22050 1 -c:a libmp3lame -b:a 16k -f mp4 -movflags frag_keyframe+empty_moov -frag_duration 150000
printf 'ID3\004\000\000\000\000\000\043TIT2\000\000\000\005\000\000\003ToneTPE1\000\000\000\004\000\000\000Hut' >id3/v24.id3
printf 'ID3\003\000\000\000\000\000\025TIT2\000\000\000\013\000\000\001\377\376T\000o\000n\000\000\000' >id3/v23.id3
# 100 bytes of sound, a title, 100 bytes, nothing, 100 bytes, a title in Latin-1; the first two bytes are the rule's.
sound=$(printf '%0100d' 0)
printf "\\000\\144$sound\\002StreamTitle='one - two';\\000\\000\\000\\000\\000\\000\\000\\000$sound\\000$sound\\002StreamTitle='caf\\351';StreamUrl=''$sound" >icy/titles
printf "\\000\\020%016d\\001StreamTitle='x';%016d" 0 0 >icy/short
printf '#EXTM3U\n#EXTINF:-1,One\nhttp://127.0.0.1:8000/a.mp3\n\nb/../c d.ogg\r\nhttps://h/x?y#z\n' >playlist/list.m3u
printf '[playlist]\nNumberOfEntries=2\nFile2=http://h/2\nTitle2=x\nFile1=http://h:80/1.aac\nVersion=2\n' >playlist/list.pls
printf '<?xml version="1.0"?>\n<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>http://h/a?b&amp;c</location></track><track><location><![CDATA[../d]]></location></track></trackList></playlist>\n' >playlist/list.xspf
head='#EXTM3U\n#EXT-X-TARGETDURATION:2\n'
printf "$head#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2,a - b\n7.ts\n#EXTINF:2,\n8.ts\n\\000$head#EXT-X-MEDIA-SEQUENCE:8\n#EXTINF:2,\n8.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:1.5,\n9.ts?t=1\n#EXT-X-GAP\n#EXTINF:2,\n10.ts\n#EXT-X-ENDLIST\n" >hls/live.m3u8
printf "$head#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"600@0\"\n#EXT-X-BYTERANGE:100@600\n#EXTINF:2,\ni.mp4\n#EXT-X-BYTERANGE:50\n#EXTINF:2,\ni.mp4\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-ENDLIST\n" >hls/ranges.m3u8
printf '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",DEFAULT=YES,URI="y.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=128000,AUDIO="a",CODECS="mp4a.40.2"\nv.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS="avc1"\nw.m3u8\n' >hls/master.m3u8
