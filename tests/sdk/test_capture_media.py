"""Played videos and sounds, recorded without a line of the site's own code."""

import io
import wave

import pytest

pytestmark = pytest.mark.browser


def make_sound(seconds):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * int(8000 * seconds))
    return file.getvalue()


def play(page, name):
    page.evaluate(f"(async () => {{ {name}.muted = true; await {name}.play() }})()")


def make_seekable(page):
    """The test's server sends no parts of files, so the browser gets the whole at once."""
    page.evaluate("(async () => { song.src = URL.createObjectURL(await (await fetch('/song.wav')).blob()) })()")
    page.wait_for_function("song.seekable.length && song.seekable.end(0) > 59")


def tell(event):
    return event["event_type"], event["properties"]["percent"]


@pytest.mark.parametrize(("name", "tag"), [("film", "video"), ("song", "audio")])
def test_how_far_it_was_played_is_told_in_quarters(open_visit, page, name, tag):
    visit = open_visit("media", sound=make_sound(4), song=make_sound(4))
    visit.go()
    play(page, name)
    visit.wait_for(tag + "_complete")
    events = visit.events()[1:]
    assert [tell(event) for event in events] == [
        (tag + "_play", 0),
        *((tag + "_progress", percent) for percent in (25, 50, 75)),
        (tag + "_complete", 100),
    ]
    # Addresses of media are often signed.
    home = visit.url.removesuffix("/media")
    path = {"film": "/sound.wav", "song": "/song.wav"}[name]
    assert {event["properties"]["src"] for event in events} == {home + path}
    assert {event["properties"]["id"] for event in events} == {name}


def test_a_pause_is_no_second_play_and_a_jump_tells_where_it_lands(open_visit, page):
    visit = open_visit("media", song=make_sound(60))
    visit.go()
    make_seekable(page)
    play(page, "song")
    visit.wait_for("audio_play")
    page.evaluate("song.pause()")
    play(page, "song")
    page.evaluate("song.currentTime = 46")
    visit.wait_for("audio_progress")
    page.evaluate("song.currentTime = 2")
    page.wait_for_timeout(600)
    visit.finish()
    assert [tell(event) for event in visit.events("audio_play", "audio_progress")] == [
        ("audio_play", 0),
        ("audio_progress", 75),
    ]


def test_played_again_after_its_end_it_counts_again(open_visit, page):
    visit = open_visit("media", song=make_sound(0.4))
    visit.go()
    play(page, "song")
    visit.wait_for("audio_complete")
    play(page, "song")
    visit.wait_for("audio_complete", 2)
    assert len(visit.events("audio_play")) == 2


def test_a_stream_without_an_address_is_not_recorded(open_visit, page):
    visit = open_visit("media")
    visit.go()
    page.evaluate("""async () => {
      const film = document.body.appendChild(document.createElement("video"));
      film.muted = true;
      const canvas = document.createElement("canvas");
      canvas.getContext("2d").fillRect(0, 0, 9, 9);
      film.srcObject = canvas.captureStream(10);
      await film.play();
    }""")
    assert [event["event_type"] for event in visit.finish()] == ["page_view", "end"]


def test_a_slider_moved_before_the_play_is_no_progress(open_visit, page):
    visit = open_visit("media", song=make_sound(60))
    visit.go()
    make_seekable(page)
    page.evaluate("song.currentTime = 40")
    page.wait_for_timeout(600)
    assert [event["event_type"] for event in visit.finish()] == ["page_view", "end"]


def test_data_no_track_and_the_option_silence_media(open_visit, page):
    visit = open_visit("media", quiet=make_sound(0.4))
    visit.go()
    play(page, "quiet")
    page.wait_for_timeout(1000)
    assert [event["event_type"] for event in visit.finish()] == ["page_view", "end"]

    visit = open_visit("media", "data-media='off'", song=make_sound(0.4))
    visit.go()
    play(page, "song")
    page.wait_for_timeout(1000)
    assert [event["event_type"] for event in visit.finish()][-2:] == ["page_view", "end"]
