from napari_dip.steps import finished


def test_all_steps_are_done_and_their_result_is_returned():
    done = []

    def steps():
        for number in range(3):
            yield f"Step {number}."
            done.append(number)
        return "result"

    assert finished(steps()) == "result"
    assert done == [0, 1, 2]
