#!/usr/bin/env bash
# Makes the inputs that fuzzing begins with, in corpus/: a small valid file of every kind. Nothing of it is committed.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/{decode,tracks,genres,model,bundle}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# song NAME RATE CHANNELS ENCODER...: 60 ms of a gliding tone.
song() {
    local name=$1 rate=$2 channels=$3
    shift 3
    ffmpeg -nostdin -v error -y -f lavfi -i "aevalsrc=0.5*sin(2000*t+9000*t*t):s=$rate:d=0.06" -ac "$channels" \
        -strict -2 "$@" "corpus/decode/$name" 2>"$log" </dev/null && return
    rm -f "corpus/decode/$name"
    echo "no seed $name, as this ffmpeg cannot make it: $(tail -n 1 "$log")" >&2
}
for codec in pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_alaw pcm_mulaw adpcm_ms adpcm_ima_wav; do
    song "$codec.wav" 8000 1 -c:a "$codec"
done
song six.wav 8000 6 -c:a pcm_s16le
song deep.wav 8000 1 -c:a pcm_s64le
song wide.w64 8000 1 -c:a pcm_s16le
song long.wav 8000 1 -c:a pcm_s16le -rf64 always -metadata artist=b
song mp3.wav 44100 1 -c:a libmp3lame
song vorbis.mp4 44100 1 -c:a libvorbis
song byte.caf 8000 1 -c:a pcm_s8
song big.aiff 8000 1 -c:a pcm_s16be
song little.aiff 8000 2 -c:a pcm_s16le
song float.aiff 8000 1 -c:a pcm_f32be
song law.aiff 8000 1 -c:a pcm_mulaw
song little.caf 8000 2 -c:a pcm_s16le
song float.caf 8000 1 -c:a pcm_f32be
song alac.caf 8000 1 -c:a alac
song adpcm.caf 8000 1 -c:a adpcm_ima_qt
song mono.mp2 22050 1 -c:a mp2
song stereo.mp2 44100 2 -c:a mp2 -b:a 96k
song mono.mp3 44100 1 -c:a libmp3lame -b:a 32k
song stereo.mp3 44100 2 -c:a libmp3lame -q:a 6 -joint_stereo 1 -metadata title=a -metadata artist=b
song low.mp3 11025 2 -c:a libmp3lame -b:a 16k -joint_stereo 0 -id3v2_version 0 -write_id3v1 1
song mono.aac 22050 1 -c:a aac -f adts
song stereo.aac 44100 2 -c:a aac -f adts
song aac.m4a 22050 2 -c:a aac -metadata artist=b
song alac.m4a 8000 2 -c:a alac
song alac24.m4a 8000 1 -c:a alac -sample_fmt s32p
song fragments.mp4 22050 1 -c:a aac -movflags frag_every_frame+empty_moov
song pcm.mov 8000 1 -c:a pcm_s16be
song adpcm.mov 8000 1 -c:a adpcm_ima_qt
song mono.flac 8000 1 -c:a flac -metadata_header_padding 0
song stereo.flac 8000 2 -c:a flac -compression_level 12 -metadata artist=b -metadata_header_padding 0
song deep.flac 96000 1 -c:a flac -sample_fmt s32 -metadata_header_padding 0
song mono.ogg 8000 1 -c:a libvorbis
song stereo.ogg 44100 2 -c:a libvorbis -metadata artist=b
song flac.ogg 8000 1 -c:a flac
song opus.ogg 48000 1 -c:a libopus
song stereo.opus 48000 2 -c:a libopus
song vorbis.webm 8000 1 -c:a libvorbis
song opus.webm 48000 1 -c:a libopus
for codec in flac libvorbis libopus aac alac libmp3lame mp2 pcm_s16le pcm_f32le; do
    song "$codec.mka" 44100 1 -c:a "$codec" -metadata artist=b
done
# Chained Ogg of other channels, glued MP3 of other rates.
cat corpus/decode/mono.ogg corpus/decode/stereo.ogg >corpus/decode/chained.ogg 2>/dev/null || true
cat corpus/decode/low.mp3 corpus/decode/stereo.mp3 >corpus/decode/glued.mp3 2>/dev/null || true
# Layer I, which ffmpeg does not encode: ten silent frames of 32 kbit/s at 32 kHz.
for _ in {1..10}; do
    printf '\377\377\030\300'
    head -c 44 /dev/zero
done >corpus/decode/silence.mp1

printf 'path,genre,artist,fold\nrock/a b.mp3,rock,"The ""Band"", again",0\npop/x/c.ogg,,,\n' >corpus/tracks/table
printf '\357\273\277source,other,Path\r\n\r\nS,1,.\\rock\\a.mp3\r\nT,,rock//b.mp3\r\n' >corpus/tracks/windows
printf 'path,fold\rrock/a.mp3,1\rpop/b.mp3,first\r' >corpus/tracks/mac
printf 'path\n../a.mp3\n' >corpus/tracks/outside
printf 'path,artist\nrock/a.mp3,"two\nlines"\nrock/a.mp3,B\n' >corpus/tracks/twice

cp ../dataset/genres.txt corpus/genres/genres
printf '\357\273\277rock,\r\n# comment\r\n\r\n  hip hop , \r\nrock\r\npop # the last' >corpus/genres/sloppy

# A whole model as small as one can be; see targets/model.rs.
config='"sample_rate":1000,"frame_seconds":0.1,"channels":1,"normalise":"peak","features":"log-mel","n_fft":64,"hop":64'
config+=',"mels":4,"low":0.0,"high":500.0,"stem":false,"filters":[1],"convolutions":1,"kernel":1,"pool":2'
config+=',"convolution":"standard","dense":[1],"dropout":0.0,"slope":0.3'
provenance='"dataset":"","training_songs":1,"validation_songs":1,"epochs":1,"seed":0,"song_accuracy":null'
card="{\"format\":1,\"genres\":[\"a\",\"b\"],\"config\":{$config},\"provenance\":{$provenance}}"
offset=0
entries=
# tensor NAME FLOATS SHAPE
tensor() {
    local end=$((offset + 4 * $2))
    entries+="${entries:+,}\"$1\":{\"dtype\":\"F32\",\"shape\":[$3],\"data_offsets\":[$offset,$end]}"
    offset=$end
}
for layer in features block1.conv1 block1.projection dense1; do
    tensor $layer.norm.scale_shift 2 2,1
    tensor $layer.norm.running 2 2,1
done
tensor block1.conv1.conv.weight 1 1,1,1,1
tensor block1.projection.conv.weight 1 1,1,1,1
tensor dense1.weight 1 1,1
tensor head.weight 2 2,1
tensor head.bias 2 2
{
    printf '%s\0%s\0' "$card" "$entries"
    head -c $offset /dev/zero
} >corpus/model/smallest

cp ../tests/golden/musicnn_tiny.whl corpus/bundle/wheel
# A header, and a tensor of one value; see targets/bundle.rs.
{
    printf '\044\0\0\0\006\010\001\032\002\010\001\0\001\017a\010\001\022\004\022\002\010\001\050\004\065'
    printf '\201\245\332\053\0\0\0\0\001\0\0\0\0\0\200\077'
} >corpus/bundle/tensor
