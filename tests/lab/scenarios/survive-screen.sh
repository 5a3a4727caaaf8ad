# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# kill -9 of the device model at random moments while a guest scrolls text and draws in planar mode,
# through the ring of buffered writes: the picture at the end is that of a guest whose device model
# lived.

is_hvmdm || skip "only hvmdm survives this"
ctl=/usr/libexec/hvmdm-ctl
rounds=016 count=20
[ "$LAB_SOAK" != 1 ] || { rounds=450; count=500; }

# picture WORK FILE KILLS
picture()
{
    guest_create draw memory=64 \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload draw "$1")"
    wait_serial draw 120 "draw: begin"
    kills=0
    [ "$3" = 0 ] || kill_workers draw model "$3" "draw: end"
    wait_serial draw 800 "draw: end"
    $ctl draw screenshot "$2" || fail "hvmdm-ctl screenshot"
    guest_destroy draw
}

for what in t p; do
    picture $what$rounds with.png $count
    say "$kills deaths while drawing ($what)"
    expect "at least five deaths, not $kills" [ $kills -ge 5 ]
    [ "$LAB_SOAK" != 1 ] || expect "$count deaths, not $kills" [ $kills = $count ]
    picture $what$rounds without.png 0
    # shellcheck disable=SC2046 # numbers
    set -- $(png-info without.png)
    expect "something on the screen ($*)" [ "$4" -ge 1000 ]
    cmp with.png without.png || {
        cp with.png without.png /results/
        fail "the picture differs"
    }
    say "the picture of $1x$2 with $3 colours is the same"
done
expect_clean
